"""Says whether files of written sessions hold the same rows, in whatever order: python compare.py FILE FILE...

Prints one line of JSON for each file: how many rows, activities, microseconds, and a sum over the hashes of all rows.
When they differ, prints rows that only one of two files has, and ends with 1.
"""

import json
import os
import sys

import duckdb

ROWS = """
SELECT "user"::VARCHAR AS "user", epoch_us(started_at) AS started_at, epoch_us(ended_at) AS ended_at,
    activities::BIGINT AS activities
FROM '{file}'
"""

FACTS = f"""
SELECT count(*)::BIGINT, sum(activities)::BIGINT, sum(ended_at - started_at)::BIGINT,
    count(*) FILTER (activities = 1)::BIGINT,
    sum(hash("user", started_at, ended_at, activities))::VARCHAR
FROM ({ROWS})
"""

ONLY = f"({ROWS}) EXCEPT ALL ({ROWS.replace('{file}', '{other}')}) ORDER BY ALL LIMIT 10"


def main() -> int:
    duckdb.execute("SET enable_progress_bar = false; SET threads = 2")
    files = sys.argv[1:]
    facts = {file: duckdb.execute(FACTS.format(file=file)).fetchall()[0] for file in files}
    for file, fact in facts.items():
        names = ("sessions", "events", "total_length_us", "one_activity", "rows_hash")
        print(json.dumps({"file": os.path.basename(file), **dict(zip(names, fact))}))
    first = files[0]
    differing = [file for file in files if facts[file] != facts[first]]
    for file in differing:
        for one, other in ((first, file), (file, first)):
            print(f"only in {one}, not in {other}:", file=sys.stderr)
            for row in duckdb.execute(ONLY.format(file=one, other=other)).fetchall():
                print("   ", row, file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
