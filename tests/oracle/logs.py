"""Logs made to hurt: silences that are just long enough, just too short, and a microsecond to either side."""

import csv
import json
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from commands import INPUT, Rules

SECOND = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BEGINNING = int(datetime(2026, 3, 1, tzinfo=timezone.utc).timestamp()) * SECOND

STARTS = ["opened", "foregrounded", "screen", "page", "playing_started"]
ACTIONS = ["Song Liked", "checkout", "searched"]
EXTENDS = ["backgrounded", "playing_progress", "playing_stopped", "heartbeat", "closed"]
PLATFORMS = [None, "ios", "android", "web"]
AWKWARD_USERS = ["ada", "Ada", "ada ", "Zoë", "o'neil", 'the "one"', "a,b", "名前", "0042", "null", "NaN", "1e3"]


@dataclass(frozen=True)
class Row:
    """One record of a log. Times in microseconds."""

    user: str
    timestamp: int
    event: str
    message_id: str
    sent_at: int | None = None
    received_at: int | None = None
    platform: str | None = None
    player: int = 0
    position: int | None = None
    total_length: int | None = None


def make(seed: int, users: int, rules: Rules, plain: bool, message_ids: bool = True) -> list[Row]:
    """Makes a shuffled log. A plain one knows no kinds but those that start a session, and nothing that plays."""
    dice = random.Random(seed)
    names = AWKWARD_USERS[: users // 2] + [f"{dice.getrandbits(128):032x}" for _ in range(users)]
    names = [*rules.users, *(name for name in names if name not in rules.users)][:users]
    rows = [row for name in names for row in one_user(dice, name, rules, plain, message_ids)]
    rows += at_the_end(rules, message_ids) + just_too_long(rules, message_ids)
    dice.shuffle(rows)
    return rows


def at_the_end(rules: Rules, message_ids: bool) -> list[Row]:
    """Users whose silence has just reached the timeout when the log ends, or is about to."""
    end = BEGINNING + 400 * 86_400 * SECOND
    rows = [Row("the last", end, "opened", "last" if message_ids else "")]
    for by in (-1, 0, 1):
        user = f"silent until the end {by:+}"
        at = end - rules.timeout_of(user, None)[0] * SECOND + by
        rows.append(Row(user, at, "opened", "first" if message_ids else ""))
    return rows


def just_too_long(rules: Rules, message_ids: bool) -> list[Row]:
    """Users who are always there, until something is as long as it may be, or longer by a microsecond."""
    if rules.max_length_s is None:
        return []
    rows = []
    for by in (-1, 0, 1):
        user = f"always there {by:+}"
        begin, end = BEGINNING, BEGINNING + rules.max_length_s * SECOND + by
        step = rules.timeout_of(user, None)[0] * SECOND // 2
        moments = [*range(begin, end, step), end, end + step]
        for number, moment in enumerate(moments):
            rows.append(Row(user, moment, "opened", f"{number:04}" if message_ids else ""))
    return rows


def one_user(dice: random.Random, user: str, rules: Rules, plain: bool, message_ids: bool) -> list[Row]:
    rows = []
    moments = [BEGINNING + dice.randrange(20 * 86_400 * SECOND)]
    for _ in range(dice.randrange(1, 60)):
        happened = next_moment(dice, user, rules, moments)
        moments.append(happened)
        row = Row(user, happened, kind(dice, plain), f"{dice.getrandbits(64):016x}" if message_ids else "")
        row = stamped(dice, row, rules)
        row = replace(row, platform=dice.choice(PLATFORMS))
        if not plain:
            row = playing(dice, row, rules)
        rows.append(row)
        if message_ids and dice.random() < 0.1:
            rows += repeated(dice, row)
    return rows


def next_moment(dice: random.Random, user: str, rules: Rules, moments: list[int]) -> int:
    """The next moment: some silence later, or just when something that has gone on gets too long."""
    if rules.max_length_s is not None and dice.random() < 0.15:
        too_long = dice.choice(moments[-12:]) + rules.max_length_s * SECOND + dice.choice([-1, 0, 1])
        if moments[-1] <= too_long <= moments[-1] + rules.timeout_of(user, None)[0] * SECOND:
            return too_long
    return moments[-1] + step(dice, user, rules)


def step(dice: random.Random, user: str, rules: Rules) -> int:
    """A silence, often one that somebody would judge wrongly."""
    timeouts = [rules.timeout_of(user, platform)[0] for platform in PLATFORMS]
    edges = [
        dice.choice(timeouts),
        dice.choice(timeouts) + rules.playing_patience_s,
        dice.choice(timeouts) + 120,
        rules.playing_patience_s,
        rules.idle_after_s,
        rules.background_timeout_s or 10,
        rules.max_length_s or 60,
    ]
    fate = dice.random()
    if fate < 0.12:
        return 0
    if fate < 0.17:
        return 1
    if fate < 0.55:
        return max(0, dice.choice(edges) * SECOND + dice.choice([-1, 0, 0, 1]))
    if fate < 0.6:
        return dice.randrange(86_400 * 3 * SECOND)
    return int(dice.expovariate(1 / 90) * SECOND)


def kind(dice: random.Random, plain: bool) -> str:
    if plain:
        return dice.choice(["opened", "foregrounded", "screen", "page", *ACTIONS])
    fate = dice.random()
    if fate < 0.04:
        return "silent"
    if fate < 0.07:
        return "user_changed"
    if fate < 0.45:
        return dice.choice([*STARTS, *ACTIONS])
    return dice.choice(EXTENDS)


def stamped(dice: random.Random, row: Row, rules: Rules) -> Row:
    """Gives the record its times, so that it happened when it did: with a wrong clock, late, or from the future."""
    lateness = rules.allowed_lateness_s * SECOND
    fate = dice.random()
    if fate < 0.2:
        return row
    if fate < 0.3:
        delay = dice.choice([lateness - 1, lateness, lateness + 1, lateness * 2])
    else:
        delay = dice.randrange(60 * SECOND)
    received_at = row.timestamp + delay
    if fate < 0.5:
        skew = dice.choice([-86_400, -1, 3_600, 400]) * SECOND + dice.choice([-1, 0, 1])
        return replace(
            row, timestamp=row.timestamp + skew, sent_at=row.timestamp + skew + delay, received_at=received_at
        )
    if fate < 0.54:
        # A claim to come from the future: believed up to five minutes, to the microsecond.
        ahead = 300 * SECOND + dice.choice([-1, 0, 1, 3_600 * SECOND])
        return replace(row, timestamp=row.timestamp + ahead, received_at=row.timestamp)
    return replace(row, received_at=received_at)


def playing(dice: random.Random, row: Row, rules: Rules) -> Row:
    """Says which player speaks, and often how much is left to play."""
    if not row.event.startswith("playing"):
        return row
    row = replace(row, player=dice.randrange(3))
    if row.event == "playing_stopped" or dice.random() < 0.5:
        return row
    length = dice.choice([60, 180, rules.playing_patience_s, 3_600])
    return replace(row, total_length=length, position=dice.choice([0, length, dice.randrange(length)]))


def repeated(dice: random.Random, row: Row) -> list[Row]:
    """The same record again: word for word, received later, or with another time on it."""
    fate = dice.random()
    if fate < 0.4:
        return [row] * dice.randrange(1, 3)
    if fate < 0.7 and row.received_at is not None and row.sent_at is None and row.timestamp <= row.received_at:
        return [replace(row, received_at=row.received_at + dice.choice([1, 80 * 3_600 * SECOND]))]
    return [replace(row, timestamp=row.timestamp + dice.choice([-1, 1, 7 * SECOND, 7_200 * SECOND]))]


# ------------------------------------------------------------------------------------------------ writing


def write(rows: list[Row], file: Path) -> None:
    """Writes a log as its name says: .parquet, .csv or .ndjson."""
    {".parquet": write_parquet, ".csv": write_csv, ".ndjson": write_ndjson}[file.suffix](rows, file)


def write_parquet(rows: list[Row], file: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    time, text, number = pyarrow.timestamp("us", "UTC"), pyarrow.string(), pyarrow.uint32()
    kinds = [text, time, text, text, time, time, text, number, number, number]
    columns = [pyarrow.array([getattr(row, name) for row in rows], kind) for name, kind in zip(INPUT, kinds)]
    table = pyarrow.table(columns, names=list(INPUT.values()))
    pyarrow.parquet.write_table(table, file, compression="zstd", row_group_size=5_000)


def write_csv(rows: list[Row], file: Path) -> None:
    with open(file, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(INPUT.values())
        writer.writerows([written(name, getattr(row, name)) for name in INPUT] for row in rows)


def write_ndjson(rows: list[Row], file: Path) -> None:
    with open(file, "w", encoding="utf-8") as opened:
        for row in rows:
            said = {word: written(name, getattr(row, name)) for name, word in INPUT.items()}
            said = {word: value for word, value in said.items() if value not in (None, "")}
            opened.write(json.dumps(said, ensure_ascii=False) + "\n")


def written(name: str, value):
    """Times as text, to the microsecond."""
    if value is None or name not in ("timestamp", "sent_at", "received_at"):
        return value
    return (EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
