"""Makes the copy of a log that is sorted by user and time: python sort.py IN OUT THREADS MEMORY_GB TEMPORARY."""

import os
import sys

import duckdb

ROW_GROUP = 1_000_000


def main() -> None:
    source, target, threads, memory_gb, temporary = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET threads = {threads}")
    connection.execute(f"SET memory_limit = '{memory_gb}GiB'")
    connection.execute(f"SET temp_directory = '{temporary}'")
    connection.execute(
        f"""
        COPY (SELECT * FROM '{source}' ORDER BY user_id, "timestamp")
        TO '{target}.part' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})
        """
    )
    os.rename(f"{target}.part", target)


if __name__ == "__main__":
    main()
