"""ClickHouse in the process (chdb), array form: one sorted array for each user, differences, splits."""

from peer import answer, task

AGGREGATE = """
SELECT
    sum(1 + arrayCount(gap -> {timeout} <= gap, gaps)),
    sum(arraySum(gap -> if(gap < {timeout}, gap, 0), gaps)),
    count(),
    sum(1 + length(gaps))
FROM (
    SELECT arrayPopFront(arrayDifference(arraySort(groupArray(toUnixTimestamp64Micro(timestamp))))) AS gaps
    FROM file('{file}', Parquet)
    GROUP BY user_id
)
"""

WRITTEN = """
SELECT
    user_id AS user,
    fromUnixTimestamp64Micro(session[1], 'UTC') AS started_at,
    fromUnixTimestamp64Micro(session[-1], 'UTC') AS ended_at,
    toInt64(length(session)) AS activities
FROM (
    SELECT
        user_id,
        arraySort(groupArray(toUnixTimestamp64Micro(timestamp))) AS times,
        arrayJoin(arraySplit((at, gap) -> {timeout} <= gap, times, arrayDifference(times))) AS session
    FROM file('{file}', Parquet)
    GROUP BY user_id
)
"""

SETTINGS = "SETTINGS max_threads = {threads}, max_memory_usage = {memory}"

# As all peers: zstd at level 3, and no bloom filters, which nobody else writes.
OUTPUT = """
INTO OUTFILE '{out}' TRUNCATE FORMAT Parquet
{settings}, max_insert_threads = {threads}, output_format_parquet_compression_method = 'zstd',
output_format_compression_level = 3, output_format_parquet_write_bloom_filter = 0
"""


def main(aggregate: str, written: str) -> None:
    import chdb

    given = task()
    settings = SETTINGS.format(threads=given.threads, memory=given.memory_gb << 30)
    if given.startup:
        chdb.query("SELECT 1", "CSV")
    elif given.write:
        output = OUTPUT.format(out=given.write, settings=settings, threads=given.threads)
        chdb.query(written.format(file=given.file, timeout=given.timeout_us) + output)
    else:
        query = aggregate.format(file=given.file, timeout=given.timeout_us) + settings
        answer(str(chdb.query(query, "CSV")).strip().split(","))


if __name__ == "__main__":
    main(AGGREGATE, WRITTEN)
