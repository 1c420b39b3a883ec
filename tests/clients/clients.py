"""Runs the published SDKs of Segment and RudderStack against a running `dwell serve`: see README.md.

Every SDK tells the same two stories, that of a phone one more, and what Dwell then knows is compared with what the story says.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from proxy import RETRY_AFTER, TAKEN_AND_KILLED, TROUBLE, Proxy
from server import PATIENCE, Server, wait_until

DRIVERS = Path(__file__).parent / "drivers"

# How far a time may be from that of the call: the way from the driver to its SDK and from the SDK to Dwell.
NEAR = 0.5

# Longer than the timeout of the policy, by more than NEAR.
PAUSE = 2.6


@dataclass(frozen=True)
class Sdk:
    name: str
    driver: tuple[str, ...]
    can_gzip: bool = False
    # It has a second way to send.
    can_batch: bool = False
    # Its second way never hears an answer, and so cannot try again.
    batches_blindly: bool = False
    # Its second way tells of the app's coming and going by itself.
    is_phone: bool = False
    # Once it knows a user, its alias puts that user's id in both fields, whatever it is given, and so says nothing.
    aliases_strangers_only: bool = False
    # It sends one request at a time, and the next one after a 429 not before Retry-After.
    heeds_retry_after: bool = False
    # It stamps sentAt when it cuts a batch, and sends the same bytes at every attempt. So its events come out too late
    # by as long as it had to try: a known wrong answer, since nothing on the wire tells this from a clock that is slow.
    stamps_early: bool = False


SDKS = [
    Sdk("@segment/analytics-node", ("node", "segment_node.mjs"), heeds_retry_after=True),
    Sdk("segment-analytics-python", ("python", "segment_python.py"), can_gzip=True, heeds_retry_after=True),
    Sdk("@segment/analytics-next", ("node", "browser.mjs", "segment"), can_batch=True, aliases_strangers_only=True),
    Sdk("@segment/analytics-react-native", ("node", "react_native.mjs"), is_phone=True, aliases_strangers_only=True, heeds_retry_after=True),
    Sdk("@rudderstack/rudder-sdk-node", ("node", "rudder_node.mjs"), can_gzip=True, heeds_retry_after=True, stamps_early=True),
    Sdk("rudder-sdk-python", ("python", "rudder_python.py"), can_gzip=True),
    Sdk("@rudderstack/analytics-js", ("node", "browser.mjs", "rudder"), can_batch=True, batches_blindly=True),
]


class Driver:
    """A process that has the SDK do what it is told."""

    def __init__(self, sdk: Sdk, app, proxy: Proxy, second_way: bool):
        program, script, *rest = sdk.driver
        argv = [sys.executable if program == "python" else program, str(DRIVERS / script), *rest]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.calls: list[tuple[str, float]] = []
        start = {"write_key": app.write_key, "host": proxy.url, "gzip": second_way, "second_way": second_way}
        started = self.order("start", **start)
        self.version = started["version"]
        if sdk.is_phone and second_way:
            self.calls += [("installed", started["at"]), ("opened", started["at"])]

    def order(self, what: str, **rest) -> dict:
        print(json.dumps({"do": what, **rest}), file=self.process.stdin, flush=True)
        # An SDK that never comes back ends here, and its empty line says so.
        too_late = threading.Timer(2 * PATIENCE, self.process.kill)
        too_late.start()
        line = self.process.stdout.readline()
        too_late.cancel()
        if not line:
            raise AssertionError(f"the SDK ended at {what} with {self.process.wait()}")
        answer = json.loads(line)
        if "trouble" in answer:
            raise AssertionError(f"the page says {answer['trouble']}")
        return answer

    def call(self, what: str, **rest) -> float | None:
        """Has the SDK make a call, and returns when; nothing where the SDK has no such call."""
        answer = self.order(what, **rest)
        if "cannot" in answer:
            return None
        self.calls.append((what, answer["at"]))
        return answer["at"]

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()


def login(sdk: Sdk, driver: Driver, _proxy: Proxy) -> tuple[str, list[list[float]]]:
    """A stranger looks around, turns out to be known under an old id, gets a new one, and comes back later.

    All of them are one person in whatever order the calls arrive, since each id is linked with one user only.
    """
    old, new, stranger = {"user": "ada-before"}, {"user": "ada"}, {"anonymous": "stranger"}
    first = [
        driver.call("track", name="Looked Around", **stranger),
        driver.call("page", name="Home", **stranger),
        driver.call("screen", name="Start", **stranger),
    ]
    if sdk.aliases_strangers_only:
        driver.call("alias", user="ada")
        first.append(driver.call("track", name="Filled Cart", **stranger))
    else:
        driver.call("identify", **old, **stranger)
        first.append(driver.call("track", name="Filled Cart", **old))
        driver.call("alias", previous="ada-before", user="ada")
    driver.call("identify", **new, **stranger)
    first.append(driver.call("track", name="Bought", **new))
    time.sleep(PAUSE)
    second = [driver.call("track", name="Asked", **new), driver.call("page", name="Help", **new)]
    driver.order("flush")
    return "ada", made(first, second)


def trouble(_sdk: Sdk, driver: Driver, proxy: Proxy) -> tuple[str, list[list[float]]]:
    """Somebody known is busy while nothing reaches Dwell, falls silent, and is busy again."""
    bob = {"user": "bob"}
    driver.call("identify", **bob)
    driver.order("flush")
    wait_until("the first answer", lambda: any(seen.brought_events() for seen in proxy.seen))
    proxy.trouble = list(TROUBLE)
    first = [driver.call("track", name=f"Tried {number}", **bob) for number in range(3)]
    time.sleep(PAUSE)
    second = [driver.call("track", name="Tried Again", **bob), driver.call("page", name="Home", **bob)]
    driver.order("flush")
    return "bob", made(first, second)


def pocket(_sdk: Sdk, driver: Driver, _proxy: Proxy) -> tuple[str, list[list[float]]]:
    """A phone goes to the pocket and comes out again, for a moment and then for more than the timeout.

    The SDK says by itself that the app was installed, opened and left, and no session ends by that alone.
    """
    eve = {"user": "eve"}
    first = [at for _, at in driver.calls]
    driver.call("identify", **eve)
    first += [driver.call("background"), driver.call("foreground"), driver.call("track", name="Read", **eve), driver.call("background")]
    time.sleep(PAUSE)
    second = [driver.call("foreground"), driver.call("track", name="Read On", **eve)]
    driver.order("flush")
    return "eve", made(first, second)


def made(*sessions: list[float | None]) -> list[list[float]]:
    """Returns when the calls of each session were made, without those that the SDK does not have."""
    return [[at for at in calls if at] for calls in sessions]


STORIES = {"login": login, "trouble": trouble, "pocket": pocket}


def check(sdk: Sdk, app, driver: Driver, proxy: Proxy, user: str, told: list[list[float]]) -> None:
    """Compares what Dwell knows with what was told."""
    calls = len(driver.calls)
    silent = sum(what in ("identify", "alias") for what, _ in driver.calls)
    wait_until("every event", lambda: known(app) == calls, app.numbers)
    wait_until("the end of the last session", lambda: ended(app, user) == len(told), lambda: app.user(user))
    events = app.numbers()["events"]
    same(f"counts {events}", (events["joined"] + events["amended"], events["silent"]), (calls - silent, silent))
    same("orphan and late", (events["orphan"], events["late"]), (0, 0))
    same("open sessions", app.numbers()["open_sessions"], 0)
    sessions = app.sessions(user)
    same("activities", [session["activities"] for session in sessions], [len(calls) for calls in told])
    same("end reasons", {session["end_reason"] for session in sessions}, {"timed_out"})
    late = 0
    if sdk.stamps_early and user == "bob":
        late = seconds(sessions[0]["started_at"]) - told[0][0]
        same("late by what the attempts took", NEAR < late < time.time() - told[1][-1], True)
    for session, calls in zip(sessions, told, strict=True):
        near(f"start of session {session['ordinal']}", seconds(session["started_at"]) - late, calls[0])
        near(f"end of session {session['ordinal']}", seconds(session["ended_at"]) - late, calls[-1])
    same("users", app.numbers()["users"], 1)


def check_trouble(app, proxy: Proxy) -> None:
    """Sees to it that there was trouble: a story in which nothing goes wrong proves nothing."""
    same("trouble left", proxy.trouble, [])
    same("taken and not heard", sum(seen.fate == TAKEN_AND_KILLED for seen in proxy.seen), 1)
    # The door tells what it remembers, and the engine knows the rest.
    same("known twice", 0 < proxy.duplicates + app.numbers()["events"]["duplicate"], True)


def check_retry_after(proxy: Proxy) -> None:
    """Sees to it that the SDK could read when to come back: a page can do so only where it is let."""
    sent = sorted((seen.at, seen.fate) for seen in proxy.seen if seen.method == "POST")
    number = next(number for number, (_, fate) in enumerate(sent) if fate.startswith("429"))
    same("heeds Retry-After", RETRY_AFTER - 0.05 <= sent[number + 1][0] - sent[number][0] < RETRY_AFTER + 1, True)


def known(app) -> int:
    events = app.numbers()["events"]
    return events["read"] - events["duplicate"]


def ended(app, user: str) -> int | None:
    view = app.user(user)
    return view and view["open_session"] is None and view["closed_sessions"]["count"]


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def same(what: str, found, wanted) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} and not {wanted!r}")


def near(what: str, found: float, wanted: float) -> None:
    if NEAR < abs(found - wanted):
        raise AssertionError(f"{what} is off by {found - wanted:.3f} s")


def run(sdk: Sdk, dwell: Path, show: bool) -> tuple[bool, str]:
    passed, version, began = [], "?", time.monotonic()
    for name, second_way in ways(sdk):
        way = f"{name}{way_name(sdk, second_way)}"
        with tempfile.TemporaryDirectory(prefix="dwell-clients-") as folder:
            at = time.monotonic()
            server = Server(dwell, Path(folder))
            app = server.add_app("shop")
            server.start()
            proxy = Proxy(server)
            driver = None
            try:
                driver = Driver(sdk, app, proxy, second_way)
                version = driver.version
                told = STORIES[name](sdk, driver, proxy)
                check(sdk, app, driver, proxy, *told)
                if name == "trouble":
                    check_trouble(app, proxy)
                    if sdk.heeds_retry_after or (sdk.can_batch and second_way):
                        check_retry_after(proxy)
                if sdk.can_gzip:
                    same("gzip", {seen.is_gzip() for seen in proxy.seen if seen.method == "POST"}, {second_way})
                passed.append(f"{way} ({len(driver.calls)} events, {len(proxy.seen)} requests, {time.monotonic() - at:.1f} s)")
            except Exception:
                wire = "\n".join(map(str, proxy.seen))
                log = (Path(folder) / "dwell.log").read_text()
                said = f"{sdk.name} {version}: {way} FAILED\n{traceback.format_exc()}\non the wire:\n{wire}\n{log}"
                return False, said
            finally:
                if driver:
                    driver.close()
                proxy.close()
                server.kill()
            if show:
                print("\n".join(map(str, proxy.seen)))
    return True, f"{sdk.name} {version}: {', '.join(passed)} in {time.monotonic() - began:.0f} s"


def ways(sdk: Sdk) -> list[tuple[str, bool]]:
    """Returns which stories are told, and whether in the second way of sending."""
    if sdk.is_phone:
        return [("login", False), ("trouble", False), ("pocket", True)]
    if not (sdk.can_gzip or sdk.can_batch):
        return [("login", False), ("trouble", False)]
    told = [("login", False), ("login", True), ("trouble", False)]
    return told if sdk.batches_blindly else [*told, ("trouble", True)]


def way_name(sdk: Sdk, second_way: bool) -> str:
    if not second_way or sdk.is_phone:
        return ""
    if sdk.can_gzip:
        return " in gzip"
    return " in batches"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--dwell", type=Path, required=True, help="the binary")
    arguments.add_argument("--only", help="SDKs whose name has this in it")
    arguments.add_argument("--show", action="store_true", help="what went over the wire")
    given = arguments.parse_args()
    os.environ["CHROMIUM"] = shutil.which("chromium") or ""
    if given.show:
        os.environ["SHOW"] = "1"
    chosen = [sdk for sdk in SDKS if given.only is None or given.only in sdk.name]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as lanes:
        for done in concurrent.futures.as_completed([lanes.submit(run, sdk, given.dwell, given.show) for sdk in chosen]):
            well, said = done.result()
            print(said, flush=True)
            failed += not well
    if failed:
        raise SystemExit(f"{failed} of {len(chosen)} SDKs were not served as they should be")


main()
