"""Checks the sessions that Dwell writes against two strangers, to the microsecond and row by row.

    python oracle.py --dwell target/release/dwell            less than a minute
    python oracle.py --dwell target/release/dwell --heavy    as long as one likes: see --rounds
    python oracle.py                                         only the two strangers against each other

Logs in which every event starts a session are judged by SQL (sessions.sql); all logs by naive.py, which was written
from SESSION.md. Every log has a seed, and a failure says which: --seed repeats it.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

import commands
import logs
import naive
import session_id
from commands import Rules

HERE = Path(__file__).resolve().parent
SHOWN = 10


@dataclass(frozen=True)
class Case:
    name: str
    rules: Rules
    plain: bool
    suffix: str
    message_ids: bool = True


OWN = {"ada": 60, 'the "one"': 7_200}
PLAIN = [
    Case("default", Rules(), True, ".parquet"),
    Case("one minute", Rules(timeout_s=60), True, ".csv"),
    Case("one day", Rules(timeout_s=86_400, allowed_lateness_s=3_600), True, ".ndjson"),
    Case("own and platform", Rules(timeout_s=900, users=OWN, platforms={"ios": 60, "web": 300}), True, ".parquet"),
    Case("nameless", Rules(timeout_s=300), True, ".parquet", message_ids=False),
    Case("one second", Rules(timeout_s=1), True, ".csv"),
]
PRESENCE = [
    Case("playing", Rules(), False, ".parquet"),
    Case("background", Rules(timeout_s=900, background_timeout_s=10), False, ".ndjson"),
    Case("patient", Rules(timeout_s=60, background_timeout_s=300, playing_patience_s=60), False, ".csv"),
    Case("too long", Rules(timeout_s=1_800, max_length_s=3_600, idle_after_s=60), False, ".parquet"),
    Case("all of it", Rules(600, 30, 7_200, 120, 30, 86_400, OWN, {"ios": 60, "web": 2_400}), False, ".parquet"),
]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--dwell", help="the binary; without it the oracles are checked against each other")
    words.add_argument("--seed", type=int, default=1, help="of the first round")
    words.add_argument("--rounds", type=int, help="1, or 50 with --heavy")
    words.add_argument("--users", type=int, help="in each log: 60, or 300 with --heavy")
    words.add_argument("--heavy", action="store_true")
    given = words.parse_args()
    rounds = given.rounds or (50 if given.heavy else 1)
    users = given.users or (300 if given.heavy else 60)
    failed = passed = compared = 0
    for seed in range(given.seed, given.seed + rounds):
        for case in [*PLAIN, *PRESENCE]:
            rows, differences = checked(case, seed, users, given.dwell)
            compared += rows
            failed, passed = failed + bool(differences), passed + (not differences)
            for line in differences[:SHOWN]:
                print(f"{case.name}, --seed {seed} --users {users}: {line}", file=sys.stderr)
    print(f"{compared} sessions compared")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def checked(case: Case, seed: int, users: int, dwell: str | None) -> tuple[int, list[str]]:
    """Judges one log in every way there is; returns how many sessions it has, and every difference."""
    rows = logs.make(seed, users, case.rules, case.plain, case.message_ids)
    naively = [named(session) for session in naive.sessions(rows, case.rules)]
    differences = []
    if case.plain:
        differences += compared_to("SQL", in_sql(rows, case.rules), naively)
    if dwell:
        with tempfile.TemporaryDirectory() as folder:
            differences += compared_to("Dwell", by_dwell(dwell, rows, case, Path(folder)), naively)
    return len(naively), differences


def named(session: dict) -> dict:
    first = session["first_message_id"]
    return {**session, "session_id": session_id.derive(commands.APP, session["user"], session["started_at"], first)}


def compared_to(who: str, theirs: list[dict], naively: list[dict]) -> list[str]:
    """Compares all that both say of each session, by user and ordinal."""
    differences = []
    ours = {(session["user"], session["ordinal"]): session for session in naively}
    others = {(session["user"], session["ordinal"]): session for session in theirs}
    for key in sorted(ours.keys() | others.keys()):
        one, other = ours.get(key), others.get(key)
        if one is None or other is None:
            differences.append(f"{key}: {who} has {other}, the naive reading {one}")
            continue
        for word in sorted(one.keys() & other.keys()):
            if one[word] != other[word]:
                differences.append(f"{key} {word}: {who} says {other[word]!r}, the naive reading {one[word]!r}")
    if len(theirs) != len(others):
        differences.append(f"{who} gives one ordinal twice")
    return differences


def in_sql(rows: list[logs.Row], rules: Rules) -> list[dict]:
    """Counts by gaps and islands."""
    database = duckdb.connect()
    load(database, rows, rules)
    database.execute(f"SET VARIABLE allowed_lateness_us = {rules.allowed_lateness_s * logs.SECOND}::BIGINT")
    return answered(database.execute((HERE / "sessions.sql").read_text()))


def load(database, rows: list[logs.Row], rules: Rules) -> None:
    """Makes the tables `log` and `timeouts`."""
    import pyarrow

    names = ("user_id", "timestamp", "message_id", "sent_at", "received_at", "platform")
    fields = ("user", *names[1:])
    kinds = [pyarrow.string(), pyarrow.int64(), pyarrow.string(), pyarrow.int64(), pyarrow.int64(), pyarrow.string()]
    columns = [pyarrow.array([getattr(row, name) for row in rows], kind) for name, kind in zip(fields, kinds)]
    given = pyarrow.table(columns, names=list(names))
    pairs = sorted({(row.user, row.platform or "") for row in rows})
    held = pyarrow.table(
        {
            "user_id": [user for user, _ in pairs],
            "platform": pyarrow.array([platform or None for _, platform in pairs], pyarrow.string()),
            "timeout_us": [rules.timeout_of(user, platform or None)[0] * logs.SECOND for user, platform in pairs],
        }
    )
    database.register("given", given)
    database.register("held", held)
    database.execute("CREATE TABLE log AS FROM given; CREATE TABLE timeouts AS FROM held")


def by_dwell(dwell: str, rows: list[logs.Row], case: Case, folder: Path) -> list[dict]:
    log, rules, out = folder / f"log{case.suffix}", folder / "policy.toml", folder / "sessions.parquet"
    logs.write(rows, log)
    rules.write_text(commands.policy(case.rules), encoding="utf-8")
    commands.sessions(dwell, log, rules, out)
    columns = ", ".join(f"{expression} AS {word}" for word, expression in commands.OUTPUT.items())
    return answered(duckdb.execute(f"SELECT {columns} FROM '{out}'"))


def answered(result) -> list[dict]:
    words = [column[0] for column in result.description]
    return [dict(zip(words, row)) for row in result.fetchall()]


if __name__ == "__main__":
    sys.exit(main())
