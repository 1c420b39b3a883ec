-- Lengths of sessions under each timeout of the table `grid` (timeout_s), by gaps and islands for each anew.
--
-- A quantile is the nearest rank: the smallest length such that at least q * n lengths are not longer. It is always
-- the length of some session; nothing is interpolated.
WITH
    placed AS (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY happened_at, message_id) AS place FROM once
    ),
    gaps AS (
        SELECT *, happened_at - lag(happened_at) OVER (PARTITION BY user_id ORDER BY place) AS gap FROM placed
    ),
    islands AS (
        SELECT
            timeout_s, user_id, happened_at,
            count(*) FILTER (gap IS NULL OR timeout_s::BIGINT * 1_000_000 <= gap) OVER (
                PARTITION BY timeout_s, user_id ORDER BY place ROWS UNBOUNDED PRECEDING
            ) AS ordinal
        FROM gaps, grid
    ),
    sessions AS (
        SELECT timeout_s, max(happened_at) - min(happened_at) AS length_us, count(*) AS activities
        FROM islands GROUP BY timeout_s, user_id, ordinal
    ),
    ranked AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY timeout_s ORDER BY length_us) AS rank,
            count(*) OVER (PARTITION BY timeout_s) AS n
        FROM sessions
    )
SELECT
    timeout_s,
    count(*) AS sessions,
    sum(length_us)::BIGINT AS total_length_us,
    count(*) FILTER (activities = 1) AS one_activity,
    min(length_us) FILTER (50 * n <= 100 * rank) AS median_us,
    min(length_us) FILTER (75 * n <= 100 * rank) AS p75_us,
    min(length_us) FILTER (90 * n <= 100 * rank) AS p90_us,
    min(length_us) FILTER (99 * n <= 100 * rank) AS p99_us
FROM ranked GROUP BY timeout_s ORDER BY timeout_s
