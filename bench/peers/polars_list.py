"""Polars, lazy, streaming engine: one sorted list for each user; of the forms tried, the fastest."""

from peer import answer, task


def aggregate(log, timeout: int):
    import polars as pl

    gap = pl.col("times")
    gaps = log.group_by("user_id").agg(times=pl.col("timestamp").to_physical())
    gaps = gaps.select(pl.col("times").list.sort().list.diff().explode())
    return gaps.select(
        sessions=(gap.is_null() | (timeout <= gap)).sum(),
        total_length_us=gap.filter(gap < timeout).sum(),
        users=gap.is_null().sum(),
        events=pl.len(),
    )


def written(log, timeout: int):
    """Users follow one another whole and in order of time, so the row before a session's first ends the last one."""
    import polars as pl

    times = log.group_by("user_id").agg(at=pl.col("timestamp").to_physical())
    times = times.with_columns(pl.col("at").list.sort())
    rows = times.with_columns(gap=pl.col("at").list.diff()).explode("at", "gap").with_row_index("place")
    rows = rows.with_columns(before=pl.col("at").shift(1), last=pl.col("at").last(), events=pl.len())
    firsts = rows.filter(pl.col("gap").is_null() | (timeout <= pl.col("gap")))
    return firsts.select(
        user=pl.col("user_id"),
        started_at=pl.col("at").cast(pl.Datetime("us", "UTC")),
        ended_at=pl.col("before").shift(-1).fill_null(pl.col("last")).cast(pl.Datetime("us", "UTC")),
        activities=pl.col("place").shift(-1).fill_null(pl.col("events")).cast(pl.Int64) - pl.col("place"),
    )


def main() -> None:
    given = task()
    import polars as pl

    log = pl.scan_parquet(given.file).select("user_id", "timestamp")
    if given.startup:
        pl.select(1)
    elif given.write:
        written(log, given.timeout_us).sink_parquet(
            given.write, compression="zstd", compression_level=3, engine="streaming"
        )
    else:
        answer(aggregate(log, given.timeout_us).collect(engine="streaming").row(0))


if __name__ == "__main__":
    main()
