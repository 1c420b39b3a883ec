"""DataFusion SQL, list form: one sorted array for each user, unnested beside itself shifted by one."""

from datafusion_window import main

TIMES = """SELECT user_id, array_sort(array_agg(arrow_cast("timestamp", 'Int64'))) AS times FROM log GROUP BY user_id"""

AGGREGATE = """
SELECT
    count(*) FILTER (WHERE gap IS NULL OR {timeout} <= gap) AS sessions,
    sum(gap) FILTER (WHERE gap < {timeout}) AS total_length_us,
    count(*) FILTER (WHERE gap IS NULL) AS users,
    count(*) AS events
FROM (SELECT unnest(array_pop_front(times)) - unnest(times) AS gap FROM (TIMES))
""".replace("TIMES", TIMES)

# Only the sessions' first rows come to the window: the row before one is the end of the session before it.
WRITTEN = """
COPY (
    SELECT
        user_id AS "user",
        arrow_cast(at, 'Timestamp(Microsecond, Some("UTC"))') AS started_at,
        arrow_cast(coalesce(lead(before) OVER sessions, last), 'Timestamp(Microsecond, Some("UTC"))') AS ended_at,
        coalesce(lead(place) OVER sessions, events + 1) - place AS activities
    FROM (
        SELECT
            user_id,
            unnest(times) AS at,
            unnest(array_prepend(arrow_cast(NULL, 'Int64'), array_pop_back(times))) AS before,
            unnest(range(1, events + 1)) AS place,
            last,
            events
        FROM (
            SELECT
                user_id, times,
                CAST(array_length(times) AS BIGINT) AS events,
                times[-1] AS last
            FROM (TIMES)
        )
    )
    WHERE before IS NULL OR {timeout} <= at - before
    WINDOW sessions AS (PARTITION BY user_id ORDER BY at, place)
) TO '{out}' STORED AS PARQUET OPTIONS (compression 'zstd(3)')
""".replace("TIMES", TIMES)

if __name__ == "__main__":
    main(AGGREGATE, WRITTEN)
