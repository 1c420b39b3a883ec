-- Gaps and islands: the sessions of a log in which every event starts one (SESSION.md, sections 1 to 5).
--
-- Reads the table `log` (times in microseconds), the table `timeouts` (user_id, platform, timeout_us: what holds
-- for each), and the variable allowed_lateness_us. Knows nothing of Dwell.
WITH
    happened AS (
        SELECT
            *,
            CASE
                WHEN received_at IS NULL THEN "timestamp"
                WHEN received_at + 300_000_000 < coalesce(received_at - (sent_at - "timestamp"), "timestamp")
                    THEN received_at
                ELSE coalesce(received_at - (sent_at - "timestamp"), "timestamp")
            END AS happened_at
        FROM log
    ),
    as_of AS (SELECT greatest(max(happened_at), max(received_at)) AS as_of FROM happened),
    in_time AS (
        SELECT * FROM happened
        WHERE received_at IS NULL OR received_at - happened_at <= getvariable('allowed_lateness_us')
    ),
    -- Of those with one message id only the first to happen counts; those without one are nobody's duplicates.
    once AS (
        SELECT * FROM in_time
        QUALIFY message_id = '' OR row_number() OVER (PARTITION BY user_id, message_id ORDER BY happened_at) = 1
    ),
    -- Events that nothing tells apart get their place once, and keep it.
    placed AS (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY happened_at, message_id) AS place FROM once
    ),
    gaps AS (
        SELECT
            placed.*, timeouts.timeout_us,
            happened_at - lag(happened_at) OVER by_time AS gap,
            -- The rule in force when the gap begins is that of the activity before it.
            lag(timeouts.timeout_us) OVER by_time AS timeout_before
        FROM placed
        JOIN timeouts ON timeouts.user_id = placed.user_id AND timeouts.platform IS NOT DISTINCT FROM placed.platform
        WINDOW by_time AS (PARTITION BY placed.user_id ORDER BY place)
    ),
    islands AS (
        SELECT
            *,
            count(*) FILTER (gap IS NULL OR timeout_before <= gap)
                OVER (PARTITION BY user_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS ordinal
        FROM gaps
    )
SELECT
    user_id AS "user",
    ordinal,
    min(happened_at) AS started_at,
    max(happened_at) AS ended_at,
    count(*) AS activities,
    CASE
        WHEN max(happened_at) + arg_max(timeout_us, place) <= any_value(as_of) THEN 'timed_out'
        ELSE ''
    END AS end_reason,
    arg_min(message_id, place) AS first_message_id
FROM islands, as_of
GROUP BY user_id, ordinal
ORDER BY "user", ordinal
