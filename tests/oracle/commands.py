"""How Dwell is called and what its words are: the one place to change when the command line does."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# The app of which session ids are derived.
APP = "oracle"

# The words of the log that the oracle writes.
INPUT = {
    "user": "user_id",
    # What the clock of the device showed: given beside both others, it is put right by them.
    "timestamp": "original_timestamp",
    "event": "event",
    "message_id": "message_id",
    "sent_at": "sent_at",
    "received_at": "received_at",
    "platform": "platform",
    "player": "player",
    "position": "position",
    "total_length": "total_length",
}

# What is read of the sessions that Dwell wrote: our word, and an expression in DuckDB's SQL over its columns.
OUTPUT = {
    "user": '"user"::VARCHAR',
    "ordinal": "ordinal::BIGINT",
    "started_at": "epoch_us(started_at)",
    "ended_at": "epoch_us(ended_at)",
    "activities": "activities::BIGINT",
    "foreground_us": "foreground_us::BIGINT",
    "playing_us": "playing_us::BIGINT",
    "idle_us": "idle_us::BIGINT",
    "end_reason": "coalesce(end_reason::VARCHAR, '')",
    "timeout_s": "timeout_s::BIGINT",
    "timeout_source": "timeout_source::VARCHAR",
    "session_id": "lower(replace(session_id::VARCHAR, '-', ''))",
}

# The column of the lab's CSV that holds the timeout, and what is compared on every row and on rows of the grid.
LAB_TIMEOUT = "timeout_s"
LAB_CURVE = {"sessions": "sessions", "total_length_us": "total_length_us"}
LAB_GRID = {
    "one_activity": "one_activity",
    "median_us": "median_length_us",
    "p75_us": "p75_length_us",
    "p90_us": "p90_length_us",
    "p99_us": "p99_length_us",
}


@dataclass(frozen=True)
class Rules:
    """What the oracle varies of a policy; times in microseconds, timeouts in seconds."""

    timeout_s: int | None = None
    background_timeout_s: int | None = None
    max_length_s: int | None = None
    playing_patience_s: int = 600
    idle_after_s: int = 300
    allowed_lateness_s: int = 72 * 3600
    users: dict = field(default_factory=dict)
    platforms: dict = field(default_factory=dict)

    def timeout_of(self, user: str, platform: str | None) -> tuple[int, str]:
        """The narrowest rule that names the user wins (SESSION.md, section 4)."""
        if user in self.users:
            return self.users[user], "user"
        if platform in self.platforms:
            return self.platforms[platform], "platform"
        if self.timeout_s is not None:
            return self.timeout_s, "app"
        return 1800, "default"


def policy(rules: Rules) -> str:
    """Writes the rules as a policy file."""
    lines = []
    if rules.timeout_s is not None:
        lines.append(f'timeout = "{rules.timeout_s}s"')
    if rules.background_timeout_s is not None:
        lines.append(f'background_timeout = "{rules.background_timeout_s}s"')
    if rules.max_length_s is not None:
        lines.append(f'max_length = "{rules.max_length_s}s"')
    lines.append(f'playing_patience = "{rules.playing_patience_s}s"')
    lines.append(f'idle_after = "{rules.idle_after_s}s"')
    lines.append(f'allowed_lateness = "{rules.allowed_lateness_s}s"')
    for table in ("platforms", "users"):
        timeouts = getattr(rules, table)
        if timeouts:
            lines.append(f"\n[{table}]")
            # A string of JSON is one of TOML too, as far as our users' names go.
            lines += [f"{json.dumps(name, ensure_ascii=False)} = \"{secs}s\"" for name, secs in timeouts.items()]
    return "\n".join(lines) + "\n"


def sessions(dwell: str, log: Path, rules: Path, out: Path) -> None:
    """Has Dwell write the sessions of a log."""
    run([dwell, "sessions", str(log), "--policy", str(rules), "--app", APP, "--threads", "2", "-o", str(out)])


def lab(dwell: str, log: Path, rules: Path) -> str:
    """Returns Dwell's curve as CSV."""
    return run([dwell, "lab", str(log), "--policy", str(rules), "--threads", "2", "--csv", "-"])


def run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}\nended with {done.returncode}: {done.stderr}")
    return done.stdout
