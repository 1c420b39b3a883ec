"""ClickHouse in the process (chdb), window form: lagInFrame over (user, time)."""

from clickhouse_array import main

# What lagInFrame gives where there is nothing before: so early that the gap is never mistaken for a real one.
NEVER = -(2**60)

AGGREGATE = """
SELECT
    countIf({timeout} <= gap),
    sumIf(gap, gap < {timeout}),
    countIf(gap > 500000000000000000),
    count()
FROM (
    SELECT at - lagInFrame(at, 1, NEVER) OVER (
        PARTITION BY user_id ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    ) AS gap
    FROM (SELECT user_id, toUnixTimestamp64Micro(timestamp) AS at FROM file('{file}', Parquet))
)
""".replace("NEVER", str(NEVER))

WRITTEN = """
SELECT
    user_id AS user,
    fromUnixTimestamp64Micro(at, 'UTC') AS started_at,
    fromUnixTimestamp64Micro(leadInFrame(before, 1, last) OVER sessions, 'UTC') AS ended_at,
    toInt64(leadInFrame(place, 1, events + 1) OVER sessions) - toInt64(place) AS activities
FROM (
    SELECT
        user_id, at,
        lagInFrame(at, 1, NEVER) OVER (
            PARTITION BY user_id ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        ) AS before,
        row_number() OVER (
            PARTITION BY user_id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS place,
        max(at) OVER (PARTITION BY user_id) AS last,
        count() OVER (PARTITION BY user_id) AS events
    FROM (SELECT user_id, toUnixTimestamp64Micro(timestamp) AS at FROM file('{file}', Parquet))
)
WHERE {timeout} <= at - before
WINDOW sessions AS (PARTITION BY user_id ORDER BY at, place ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)
""".replace("NEVER", str(NEVER))

if __name__ == "__main__":
    main(AGGREGATE, WRITTEN)
