"""What all peers share: the words of their command line, and the shape of their answer.

One process is one run. A peer reads FILE (columns user_id, timestamp), counts sessions, and prints one line of JSON.
With --write it also writes every session. With --startup it only starts its engine, so that the cost of importing
it can be told apart from the cost of the work.
"""

import argparse
import json
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    file: str
    timeout_us: int
    threads: int
    memory_gb: int
    temporary: str
    write: str | None
    startup: bool


def task() -> Task:
    words = argparse.ArgumentParser()
    words.add_argument("file")
    words.add_argument("--timeout", type=int, default=1800, help="seconds")
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--memory", type=int, default=16, help="GiB that the engine may take before it spills")
    words.add_argument("--temporary", default="/tmp", help="folder to spill to")
    words.add_argument("--write", metavar="OUT", help="write user, started_at, ended_at, activities to this file")
    words.add_argument("--startup", action="store_true", help="start the engine and do nothing")
    given = words.parse_args()
    # Some engines read the number of their threads when they are imported.
    os.environ["POLARS_MAX_THREADS"] = str(given.threads)
    os.environ["TOKIO_WORKER_THREADS"] = str(given.threads)
    return Task(
        given.file,
        given.timeout * 1_000_000,
        given.threads,
        given.memory,
        given.temporary,
        given.write,
        given.startup,
    )


def answer(row) -> None:
    """Prints (sessions, total length, users, events)."""
    sessions, total_length_us, users, events = (int(value) for value in row)
    print(
        json.dumps(
            {"sessions": sessions, "total_length_us": total_length_us, "users": users, "events": events}
        )
    )
