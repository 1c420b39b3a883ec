"""Checks that the lab's curve is what a replay under each timeout would give.

    python lab.py --dwell target/release/dwell [--heavy]
    python lab.py                                         only the oracles against each other

On logs in which every event starts a session: all 86,400 timeouts by SQL (lab.sql), and the lengths' quantiles at
the timeouts of Dwell's grid by gaps and islands (lengths.sql). On logs with presence: naive.py replays a sample of
timeouts, those beside which the logs' silences were made among them.
"""

import argparse
import csv
import io
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb

import commands
import logs
import naive
from commands import Rules

HERE = Path(__file__).resolve().parent
SHOWN = 10
# The grid on which the oracles are checked against each other, without Dwell.
OWN_GRID = [1, 2, 10, 59, 60, 61, 119, 120, 300, 600, 1_799, 1_800, 1_801, 3_600, 7_200, 43_200, 86_399, 86_400]
QUANTILES = {"median_us": 50, "p75_us": 75, "p90_us": 90, "p99_us": 99}

PRESENCE = [
    Rules(),
    Rules(background_timeout_s=30, playing_patience_s=120),
    Rules(background_timeout_s=3_600, allowed_lateness_s=86_400),
]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--dwell", help="the binary; without it the oracles are checked against each other")
    words.add_argument("--seed", type=int, default=1, help="of the first round")
    words.add_argument("--rounds", type=int, help="1, or 20 with --heavy")
    words.add_argument("--users", type=int, help="in each log: 40, or 200 with --heavy")
    words.add_argument("--heavy", action="store_true")
    given = words.parse_args()
    users = given.users or (200 if given.heavy else 40)
    passed = failed = 0
    for seed in range(given.seed, given.seed + (given.rounds or (20 if given.heavy else 1))):
        for plain, rules in [(True, Rules()), *((False, rules) for rules in PRESENCE)]:
            rows = logs.make(seed, users, replace(rules, timeout_s=random.Random(seed).choice([10, 60, 1_800])), plain)
            theirs = by_dwell(given.dwell, rows, rules) if given.dwell else None
            differences = by_sql(rows, rules, theirs) if plain else by_replay(rows, rules, theirs, seed)
            passed, failed = passed + (not differences), failed + bool(differences)
            for line in differences[:SHOWN]:
                print(f"--seed {seed} --users {users}, {rules}: {line}", file=sys.stderr)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def by_dwell(dwell: str, rows: list[logs.Row], rules: Rules) -> dict[int, dict]:
    """Returns what the lab says of each timeout; the words of the grid only where it has said something."""
    with tempfile.TemporaryDirectory() as folder:
        log, policy = Path(folder) / "log.parquet", Path(folder) / "policy.toml"
        logs.write(rows, log)
        policy.write_text(commands.policy(rules), encoding="utf-8")
        printed = commands.lab(dwell, log, policy)
    curve = {}
    for line in csv.DictReader(io.StringIO(printed)):
        columns = {**commands.LAB_CURVE, **commands.LAB_GRID}
        said = {word: int(line[column]) for word, column in columns.items() if line.get(column)}
        curve[int(line[commands.LAB_TIMEOUT])] = said
    return curve


def by_sql(rows: list[logs.Row], rules: Rules, theirs: dict | None) -> list[str]:
    """Judges the whole curve and the grid, or the two questions and the replay by each other."""
    database = duckdb.connect()
    events = [(user, event) for user in sorted({row.user for row in rows}) for event in events_of(user, rows, rules)]
    load(database, events)
    curve = answered(database, "lab.sql")
    if theirs is None:
        grid = OWN_GRID
    else:
        grid = [timeout for timeout, said in theirs.items() if "median_us" in said]
        if len(grid) < 64:
            return [f"a grid of {len(grid)} timeouts is no grid of at least 64"]
    database.execute("CREATE TABLE grid AS SELECT unnest(?::BIGINT[]) AS timeout_s", [grid])
    lengths = answered(database, "lengths.sql")
    if theirs is not None:
        return differing("the curve", theirs, curve) + differing("the grid", theirs, lengths)
    replayed = {timeout: replay(rows, rules, timeout) for timeout in grid}
    return differing("curve by grid", {timeout: curve[timeout] for timeout in grid}, lengths) + differing(
        "grid by replay", replayed, lengths
    )


def events_of(user: str, rows: list[logs.Row], rules: Rules) -> list[naive.Event]:
    return naive.events_of([row for row in rows if row.user == user], rules)


def load(database, events: list[tuple[str, naive.Event]]) -> None:
    import pyarrow

    once = pyarrow.table(
        {
            "user_id": [user for user, _ in events],
            "happened_at": pyarrow.array([event.at for _, event in events], pyarrow.int64()),
            "message_id": [event.message_id for _, event in events],
        }
    )
    database.register("given", once)
    database.execute("CREATE TABLE once AS FROM given")


def answered(database, file: str) -> dict[int, dict]:
    result = database.execute((HERE / file).read_text())
    words = [column[0] for column in result.description]
    rows = [dict(zip(words, row)) for row in result.fetchall()]
    return {row.pop("timeout_s"): row for row in rows}


def by_replay(rows: list[logs.Row], rules: Rules, theirs: dict | None, seed: int) -> list[str]:
    """Replays a sample of timeouts; without Dwell there is nobody to compare with."""
    dice = random.Random(seed)
    edges = [second + by for second in (1, 10, 60, 120, 600, 1_800, 86_400) for by in (-1, 0, 1)]
    sample = {timeout for timeout in [*edges, *dice.sample(range(1, 86_401), 12)] if 1 <= timeout <= 86_400}
    if theirs is None:
        return []
    sample |= set(dice.sample([timeout for timeout, said in theirs.items() if "median_us" in said], 12))
    return differing("the replay", theirs, {timeout: replay(rows, rules, timeout) for timeout in sorted(sample)})


def replay(rows: list[logs.Row], rules: Rules, timeout_s: int) -> dict:
    """Counts the sessions under one timeout, the slow way."""
    sessions = naive.sessions(rows, replace(rules, timeout_s=timeout_s))
    lengths = sorted(session["ended_at"] - session["started_at"] for session in sessions)
    counted = {
        "sessions": len(lengths),
        "total_length_us": sum(lengths),
        "one_activity": sum(session["activities"] == 1 for session in sessions),
    }
    for word, share in QUANTILES.items():
        # Nearest rank: the smallest length such that at least share * n are not longer.
        counted[word] = lengths[-(-share * len(lengths) // 100) - 1]
    return counted


def differing(what: str, theirs: dict, ours: dict) -> list[str]:
    """Compares every timeout that we know of, and all words that both say."""
    differences = []
    for timeout, one in ours.items():
        other = theirs.get(timeout)
        if other is None:
            differences.append(f"{what}: nothing is said of {timeout} s")
            continue
        for word in one.keys() & other.keys():
            if one[word] != other[word]:
                differences.append(f"{what} at {timeout} s, {word}: {other[word]}, not {one[word]}")
    return differences


if __name__ == "__main__":
    sys.exit(main())
