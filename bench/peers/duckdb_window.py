"""DuckDB, window form: LAG over (user, time). Written: a second window over the sessions' first rows only."""

from peer import answer, task

AGGREGATE = """
SELECT
    count(*) FILTER (gap IS NULL OR {timeout} <= gap),
    coalesce(sum(gap) FILTER (gap < {timeout}), 0),
    count(*) FILTER (gap IS NULL),
    count(*)
FROM (
    SELECT moment - lag(moment) OVER (PARTITION BY user_id ORDER BY moment) AS gap
    FROM (SELECT user_id, epoch_us("timestamp") AS moment FROM '{file}')
)
"""

# Faster than a running sum and a GROUP BY: where a session begins, the row before it is the end of the last one.
WRITTEN = """
COPY (
    SELECT
        user_id AS "user",
        make_timestamptz(moment) AS started_at,
        make_timestamptz(coalesce(lead(before) OVER sessions, last)) AS ended_at,
        coalesce(lead(place) OVER sessions, events + 1) - place AS activities
    FROM (
        SELECT
            user_id, moment,
            lag(moment) OVER activities AS before,
            row_number() OVER activities AS place,
            max(moment) OVER everything AS last,
            count(*) OVER everything AS events
        FROM (SELECT user_id, epoch_us("timestamp") AS moment FROM '{file}')
        WINDOW activities AS (PARTITION BY user_id ORDER BY moment), everything AS (PARTITION BY user_id)
        QUALIFY before IS NULL OR {timeout} <= moment - before
    )
    WINDOW sessions AS (PARTITION BY user_id ORDER BY moment, place)
) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)
"""


def main(aggregate: str, written: str) -> None:
    import duckdb

    given = task()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {given.threads}")
    connection.execute(f"SET memory_limit = '{given.memory_gb}GiB'")
    connection.execute(f"SET temp_directory = '{given.temporary}'")
    # The order of rows in the answer does not matter to anybody, and keeping it costs memory.
    connection.execute("SET preserve_insertion_order = false")
    if given.startup:
        connection.execute("SELECT 1").fetchone()
    elif given.write:
        connection.execute(written.format(file=given.file, timeout=given.timeout_us, out=given.write))
    else:
        answer(connection.execute(aggregate.format(file=given.file, timeout=given.timeout_us)).fetchone())


if __name__ == "__main__":
    main(AGGREGATE, WRITTEN)
