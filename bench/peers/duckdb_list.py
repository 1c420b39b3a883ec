"""DuckDB, list form: one sorted list for each user, so that the names are hashed once and never sorted."""

from duckdb_window import main

AGGREGATE = """
SELECT
    count(*) FILTER (gap IS NULL OR {timeout} <= gap),
    coalesce(sum(gap) FILTER (gap < {timeout}), 0),
    count(*) FILTER (gap IS NULL),
    count(*)
FROM (
    SELECT unnest(times[2:] || [NULL]) - unnest(times) AS gap
    FROM (SELECT list_sort(list(epoch_us("timestamp"))) AS times FROM '{file}' GROUP BY user_id)
)
"""

WRITTEN = """
COPY (
    SELECT
        user_id AS "user",
        make_timestamptz(unnest(list_select(times, firsts))) AS started_at,
        make_timestamptz(unnest(list_select(times, lasts))) AS ended_at,
        unnest(lasts) - unnest(firsts) + 1 AS activities
    FROM (
        SELECT user_id, times, firsts, list_transform(firsts[2:], lambda first: first - 1) || [len(times)] AS lasts
        FROM (
            SELECT
                user_id, times,
                list_filter(
                    range(1, len(times) + 1),
                    lambda place: place = 1 OR {timeout} <= times[place] - times[place - 1]
                ) AS firsts
            FROM (
                SELECT user_id, list_sort(list(epoch_us("timestamp"))) AS times FROM '{file}' GROUP BY user_id
            )
        )
    )
) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)
"""

if __name__ == "__main__":
    main(AGGREGATE, WRITTEN)
