"""The rules of SESSION.md once more, from its text alone: slowly, and from the beginning for every question.

Nothing is carried along from event to event. What plays, what the screen shows and how far presence reaches are
looked up in everything that came before, each time anew. That is quadratic, and easy to believe.
"""

from dataclasses import dataclass

from commands import Rules
from logs import SECOND, Row

EXTENDS = {"backgrounded", "playing_progress", "playing_stopped", "heartbeat", "closed"}
NEITHER = {"silent", "user_changed"}
TO_FOREGROUND = {"opened", "foregrounded", "screen", "page"}
KINDS = TO_FOREGROUND | EXTENDS | NEITHER | {"playing_started"}
FUTURE = 300 * SECOND


@dataclass(frozen=True)
class Event:
    at: int
    message_id: str
    kind: str
    platform: str | None
    player: int
    remaining: int | None

    @property
    def starts(self) -> bool:
        return self.kind not in EXTENDS | NEITHER

    @property
    def is_activity(self) -> bool:
        return self.kind not in NEITHER


@dataclass(frozen=True)
class Break:
    """Why no session goes on past an activity; the reason is empty at the end of the log."""

    reason: str


def sessions(rows: list[Row], rules: Rules) -> list[dict]:
    """Returns the sessions of a log, in order of user and time."""
    as_of = max(max(happened(row), row.received_at or happened(row)) for row in rows)
    users = sorted({row.user for row in rows})
    return [
        session
        for user in users
        for session in sessions_of(user, events_of([row for row in rows if row.user == user], rules), rules, as_of)
    ]


def happened(row: Row) -> int:
    """Section 1: the clock put right, and the future refused."""
    if row.received_at is None:
        return row.timestamp
    at = row.timestamp if row.sent_at is None else row.received_at - (row.sent_at - row.timestamp)
    return row.received_at if row.received_at + FUTURE < at else at


def events_of(rows: list[Row], rules: Rules) -> list[Event]:
    """Sections 1 and 5: what is late is refused, what was heard before changes nothing, and the rest is in order."""
    lateness = rules.allowed_lateness_s * SECOND
    in_time = [row for row in rows if row.received_at is None or row.received_at - happened(row) <= lateness]
    events = []
    for row in in_time:
        same = [happened(other) for other in in_time if row.message_id and other.message_id == row.message_id]
        if same and min(same) < happened(row):
            continue
        events.append(event_of(row))
    # Word for word the same and at the same moment: once is enough. Without a message id both count.
    unique = {(event.at, event.message_id): event for event in events if event.message_id}
    nameless = [event for event in events if not event.message_id]
    return sorted([*unique.values(), *nameless], key=lambda event: (event.at, event.message_id))


def event_of(row: Row) -> Event:
    kind = row.event if row.event in KINDS else "action"
    remaining = None
    if row.position is not None and row.total_length is not None:
        remaining = max(0, row.total_length - row.position) * SECOND
    return Event(happened(row), row.message_id, kind, row.platform, row.player, remaining)


# ---------------------------------------------------------------------------------------- presence (section 2)


def since_cut(events: list[Event], index: int) -> list[Event]:
    """Everything up to and with an event, but nothing from before presence was last cut off."""
    cuts = [place for place in range(index + 1) if events[place].kind in ("closed", "user_changed")]
    return events[cuts[-1] + 1 if cuts else 0 : index + 1]


def reach(events: list[Event], index: int, rules: Rules) -> int:
    """How far the user is believed to be there after an activity."""
    furthest = events[index].at
    heard = since_cut(events, index)
    for player in {event.player for event in heard}:
        signals = [event for event in heard if event.kind.startswith("playing") and event.player == player]
        if signals and signals[-1].kind != "playing_stopped":
            patience = rules.playing_patience_s * SECOND
            left = signals[-1].remaining
            furthest = max(furthest, signals[-1].at + (patience if left is None else left))
    return furthest


def is_background(events: list[Event], index: int) -> bool:
    """Whether the screen was left and not come back to."""
    lifecycle = TO_FOREGROUND | {"backgrounded", "action"}
    changes = [event.kind for event in since_cut(events, index) if event.kind in lifecycle]
    return changes != [] and changes[-1] == "backgrounded"


def timeout_after(events: list[Event], index: int, user: str, rules: Rules) -> tuple[int, str]:
    """Section 4, and the background's own of section 3: for the silence that begins after an activity."""
    nothing_plays = reach(events, index, rules) == events[index].at
    if rules.background_timeout_s is not None and is_background(events, index) and nothing_plays:
        return rules.background_timeout_s, "background"
    return rules.timeout_of(user, events[index].platform)


# ---------------------------------------------------------------------------------------- sessions (sections 2, 3)


def sessions_of(user: str, events: list[Event], rules: Rules, as_of: int) -> list[dict]:
    places = [place for place, event in enumerate(events) if event.is_activity]
    found = []
    stretch: list[int] = []
    for place, following in zip(places, [*places[1:], None]):
        stretch.append(place)
        ends = break_after(events, place, following, user, rules, as_of)
        if ends is not None:
            found += sessions_in(stretch, ends, events, user, rules)
            stretch = []
    return [{**session, "ordinal": number} for number, session in enumerate(found, start=1)]


def break_after(events, place, following, user, rules, as_of) -> Break | None:
    """Whether anything parts an activity from the next, and what did so first."""
    if events[place].kind == "closed":
        return Break("closed")
    deadline = reach(events, place, rules) + timeout_after(events, place, user, rules)[0] * SECOND
    until = len(events) if following is None else following
    for other in events[place + 1 : until]:
        if other.kind == "user_changed":
            return Break("timed_out" if deadline <= other.at else "user_changed")
    if following is None:
        return Break("timed_out" if deadline <= as_of else "")
    return Break("timed_out") if deadline <= events[following].at else None


def sessions_in(stretch: list[int], ends: Break, events, user, rules: Rules) -> list[dict]:
    """A stretch is a session from the first that starts on, or several, when one would be too long."""
    starts = [place for place in stretch if events[place].starts]
    if not starts:
        return []
    whole = [place for place in stretch if starts[0] <= place]
    fits = whole
    if rules.max_length_s is not None:
        longest = rules.max_length_s * SECOND
        fits = [place for place in whole if events[place].at - events[whole[0]].at <= longest]
    if len(fits) < len(whole):
        rest = whole[len(fits) :]
        return [described(fits, Break("too_long"), events, user, rules), *sessions_in(rest, ends, events, user, rules)]
    return [described(whole, ends, events, user, rules)]


def described(places: list[int], ends: Break, events, user, rules: Rules) -> dict:
    foreground, playing, idle = parts(places, events, rules)
    timeout_s, source = timeout_after(events, places[-1], user, rules)
    return {
        "user": user,
        "started_at": events[places[0]].at,
        "ended_at": events[places[-1]].at,
        "activities": len(places),
        "foreground_us": foreground,
        "playing_us": playing,
        "idle_us": idle,
        "end_reason": ends.reason,
        "timeout_s": timeout_s,
        "timeout_source": source,
        "first_message_id": events[places[0]].message_id,
    }


def parts(places: list[int], events, rules: Rules) -> tuple[int, int, int]:
    """Section 6: foreground, playing and idle time between the activities of a session."""
    foreground = playing = idle = 0
    for before, after in zip(places, places[1:]):
        begin, end = events[before].at, events[after].at
        played = min(reach(events, before, rules), end) - begin
        quiet = end - begin - played
        if is_background(events, before):
            playing += played
            idle += quiet
        else:
            there = min(quiet, rules.idle_after_s * SECOND)
            foreground += played + there
            idle += quiet - there
    return foreground, playing, idle
