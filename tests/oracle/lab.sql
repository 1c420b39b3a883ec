-- What every timeout would have done with a log in which every event starts a session, without replaying any.
--
-- Reads the table `once` (user_id, happened_at, message_id: what is neither late nor a duplicate). A whole second
-- T is reached by a gap of g microseconds when T <= floor(g / 1e6).
WITH
    gaps AS (
        SELECT happened_at - lag(happened_at) OVER (PARTITION BY user_id ORDER BY happened_at, message_id) AS gap
        FROM once
    ),
    seconds AS (SELECT unnest(range(1, 86_401)) AS timeout_s),
    by_second AS (
        SELECT least(gap // 1_000_000, 86_400) AS reached, count(*) AS gaps, sum(gap)::BIGINT AS length_us
        FROM gaps WHERE gap IS NOT NULL GROUP BY ALL
    ),
    everything AS (SELECT count(*) FILTER (gap IS NULL) AS users, count(gap) AS gaps FROM gaps),
    shorter AS (
        SELECT
            timeout_s,
            coalesce(sum(by_second.gaps) OVER before, 0)::BIGINT AS gaps_shorter,
            coalesce(sum(by_second.length_us) OVER before, 0)::BIGINT AS total_length_us
        FROM (SELECT unnest(range(0, 86_401)) AS timeout_s)
        LEFT JOIN by_second ON by_second.reached = timeout_s
        WINDOW before AS (ORDER BY timeout_s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
SELECT timeout_s, users + gaps - gaps_shorter AS sessions, total_length_us
FROM seconds JOIN shorter USING (timeout_s), everything
ORDER BY timeout_s
