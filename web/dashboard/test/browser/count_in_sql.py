"""Counts an archive in plain SQL, knowing nothing of Dwell: python3 count_in_sql.py 'events/*.parquet' sessions.parquet

Prints JSON: by gaps and islands of the events, which must all be of a kind that starts a session; the same by what the first
event of each says of where it comes from; and the sums of the sessions that a file holds.
"""

import json
import sys

import duckdb

GAPS_AND_ISLANDS = """
WITH once AS (
    SELECT user_id, "timestamp" AS happened_at, platform, country, app_version AS version FROM read_parquet($events)
    QUALIFY row_number() OVER (PARTITION BY user_id, message_id ORDER BY "timestamp") = 1
), gaps AS (
    SELECT *, epoch_us(happened_at) - epoch_us(lag(happened_at) OVER (PARTITION BY user_id ORDER BY happened_at)) AS gap
    FROM once
), islands AS (
    SELECT *, count(*) FILTER (gap IS NULL OR $timeout * 1000000 <= gap)
        OVER (PARTITION BY user_id ORDER BY happened_at ROWS UNBOUNDED PRECEDING) AS ordinal
    FROM gaps
), sessions AS (
    SELECT user_id, ordinal, epoch_us(max(happened_at)) - epoch_us(min(happened_at)) AS length,
        first(platform ORDER BY happened_at) AS platform, first(country ORDER BY happened_at) AS country,
        first(version ORDER BY happened_at) AS version
    FROM islands GROUP BY user_id, ordinal
)
"""

ISLANDS = GAPS_AND_ISLANDS + """
SELECT count(*) AS sessions, count(DISTINCT user_id) AS users, sum(length) / 1e6 AS total, avg(length) / 1e6 AS mean,
    quantile_disc(length, 0.5) / 1e6 AS median
FROM sessions
"""

ORIGINS = GAPS_AND_ISLANDS + """
SELECT facet, coalesce(value, '') AS value, count(*) AS sessions, sum(length)::BIGINT AS length
FROM sessions UNPIVOT INCLUDE NULLS (value FOR facet IN (platform, country, version))
GROUP BY ALL ORDER BY ALL
"""

WRITTEN = """
SELECT count(*) AS sessions, count(DISTINCT "user") AS users, sum(playing_us) / 1e6 AS playing, sum(foreground_us) / 1e6 AS foreground
FROM read_parquet($sessions)
"""


def row(query: str, **values: object) -> dict:
    answer = duckdb.execute(query, values)
    names = [column[0] for column in answer.description]
    return {name: float(value) for name, value in zip(names, answer.fetchone(), strict=True)}


events, sessions = sys.argv[1:]
print(json.dumps({
    "islands": {timeout: row(ISLANDS, events=events, timeout=timeout) for timeout in (900, 1800)},
    "origins": duckdb.execute(ORIGINS, {"events": events, "timeout": 1800}).fetchall(),
    "written": row(WRITTEN, sessions=sessions),
}))
