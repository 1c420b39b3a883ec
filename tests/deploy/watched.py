"""Has a real Prometheus watch a running `dwell serve` by what stands in `deploy/`: see README.md."""

import argparse
import json
import math
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from base64 import b64encode
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/clients"))

from server import PATIENCE, Server, wait_until  # noqa: E402

DEPLOY = ROOT / "deploy"

# How often is looked here, in place of what deploy/prometheus.yml says.
SCRAPE = "1s"

# What Grafana makes of `$__rate_interval` then: four scrapes.
RATE_INTERVAL = "4s"

# What is 0 on the board as long as all is well. Everything else on it has to be more, since there are events.
ZERO_WHEN_WELL = {
    "dwell_engine_stopped",
    "dwell_engine_waiting",
    "dwell_clock_off_seconds",
    "rate(dwell_connections_refused_total[5m])",
    "sum by (timeout) (rate(dwell_connections_timed_out_total[5m]))",
    "rate(dwell_log_full_total[5m])",
    "rate(dwell_log_busy_total[5m])",
}

# What may be 0 in one moment and not in the next.
ANY = {"dwell_log_next - dwell_engine_next", "dwell_log_waiting_bytes"}

# What no test can bring about at will. Its metric and the form of its label are looked for.
UNSEEN = {'dwell_http_requests_total{status="5xx"}': 'dwell_http_requests_total{status="2xx"}'}


# Rules that are not silent here: of what is sent, more than one in twenty is refused.
STATES = {"DwellManyRejected": "pending"}


class Prometheus:
    """Loads `deploy/prometheus.yml` with the alert rules, but for the address and the time between two looks."""

    def __init__(self, folder: Path, watched: str):
        text = (DEPLOY / "prometheus.yml").read_text()
        for was, now in (("127.0.0.1:8080", watched), ("15s", SCRAPE)):
            assert was in text, f"deploy/prometheus.yml has no {was}"
            text = text.replace(was, now)
        (folder / "prometheus.yml").write_text(text)
        shutil.copy(DEPLOY / "alerts.yml", folder)
        self.log = (folder / "prometheus.log").open("wb")
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stdout=self.log,
            stderr=self.log,
        )
        wait_until("a start of Prometheus", self.is_ready)

    def is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"prometheus ended with {self.process.returncode}")
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=PATIENCE).status == 200
        except OSError:
            return False

    def get(self, path: str, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query, doseq=True)}"
        try:
            return json.load(urllib.request.urlopen(url, timeout=PATIENCE))["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {query}: {json.load(error)['error']}") from None

    def values(self, expression: str) -> list[float]:
        return [float(sample["value"][1]) for sample in self.get("query", query=expression)["result"]]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


class People(threading.Thread):
    """Sends a bit of everything that the board shows, until it is told to stop."""

    def __init__(self, server: Server, write_key: str):
        super().__init__(daemon=True)
        self.server = server
        self.write_key = write_key
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.send(self.batch())
            self.send("{}")
            with socket.create_connection(self.server.address, timeout=PATIENCE) as nonsense:
                nonsense.sendall(b"no request\r\n\r\n")
                nonsense.recv(1000)

    def batch(self) -> str:
        user, twice = f"user-{time.monotonic_ns() % 7}", str(uuid.uuid4())
        track = {"type": "track", "userId": user, "event": "Application Opened"}
        return json.dumps(
            {
                "batch": [
                    track,
                    {"type": "identify", "userId": user, "traits": {}},
                    {"type": "track", "event": "Of Nobody"},
                    track | {"messageId": twice},
                    track | {"messageId": twice},
                ]
            }
        )

    def send(self, body: str) -> None:
        key = b64encode(f"{self.write_key}:".encode()).decode()
        request = urllib.request.Request(
            "http://{}:{}/v1/batch".format(*self.server.address),
            data=body.encode(),
            headers={"authorization": f"Basic {key}"},
        )
        try:
            urllib.request.urlopen(request, timeout=PATIENCE).read()
        except urllib.error.HTTPError as error:
            assert error.code == 400, error

    def stop(self) -> None:
        self.over.set()
        self.join()


def look_at_board(prometheus: Prometheus, app: str) -> int:
    """Asks every question of the board, for all apps and for one, and returns how many there are."""
    board = json.loads((DEPLOY / "grafana.json").read_text())
    chosen = next(one for one in board["templating"]["list"] if one["name"] == "app")
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", chosen["query"]).groups()
    same("apps to choose from", prometheus.get(f"label/{label}/values", **{"match[]": metric}), [app])
    asked = 0
    for panel in board["panels"]:
        for target in panel["targets"]:
            for apps in (chosen["allValue"], app):
                question = target["expr"].replace("$app", apps).replace("$__rate_interval", RATE_INTERVAL)
                look_at(prometheus, f"{panel['title']}, {target['refId']}", question)
            asked += 1
    return asked


def look_at(prometheus: Prometheus, where: str, question: str) -> None:
    values = prometheus.values(question)
    assert values, f"{where}: {question} gives nothing"
    assert all(map(math.isfinite, values)), f"{where}: {question} gives {values}"
    if question in ZERO_WHEN_WELL:
        same(f"{where}: {question}", set(values), {0})
    elif question not in ANY:
        # Of several outcomes, some are 0.
        assert 0 < max(values), f"{where}: {question} gives {values}"


def look_at_rules(prometheus: Prometheus) -> int:
    """Sees to it that all rules are well, and silent but for what is sent here, and that what they look at is there; returns how many
    they are."""
    wait_until("a look at every rule", lambda: all(rule["health"] != "unknown" for rule in rules(prometheus)))
    for rule in rules(prometheus):
        same(f"{rule['name']}: {rule.get('lastError')}", rule["health"], "ok")
        # How full a disk will be is not known from the first seconds.
        if rule["name"] != "DwellDiskFull":
            same(rule["name"], rule["state"], STATES.get(rule["name"], "inactive"))
        for selector in selectors(rule["query"]):
            selector = UNSEEN.get(selector, selector)
            assert prometheus.values(selector), f"{rule['name']} looks at {selector}, which nothing is called"
    return len(rules(prometheus))


def rules(prometheus: Prometheus) -> list[dict]:
    return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]


def selectors(expression: str) -> set[str]:
    """Returns what an expression looks at, without the span of time."""
    found = set(re.findall(r"\b(?:dwell_\w+|process_\w+|up)\b(?:\{[^}]*\})?", expression))
    assert found, expression
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def same(what: str, found, wanted) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} and not {wanted!r}")


def watch(dwell: Path, folder: Path) -> None:
    began = time.monotonic()
    server = Server(dwell, folder)
    added = server.command("apps", "add", "shop")
    server.start()
    prometheus = Prometheus(folder, "{}:{}".format(*server.address))
    try:
        received = "dwell_messages_received_total"
        wait_until("a look at an app that has said nothing yet", lambda: prometheus.values(received) == [0])
        people = People(server, added["write_key"])
        people.start()
        rate = f"rate(dwell_events_total[{RATE_INTERVAL}]) > 0"
        wait_until("a rate of events", lambda: prometheus.values(rate))
        # Until each window of time has two looks in it at whatever is refused.
        time.sleep(3)
        asked = look_at_board(prometheus, added["app"]["id"])
        known = look_at_rules(prometheus)
        people.stop()
        server.kill()
        pending = 'ALERTS{alertname="DwellDown", alertstate="pending", severity="page"}'
        wait_until("the alarm for a server that was killed", lambda: prometheus.values(pending))
    except BaseException:
        print((folder / "dwell.log").read_text(), (folder / "prometheus.log").read_text(), sep="\n")
        raise
    finally:
        prometheus.stop()
        if server.address:
            server.kill()
    print(f"{asked} questions of the board and {known} alert rules, in {time.monotonic() - began:.0f} s")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--dwell", type=Path, required=True, help="the binary")
    with tempfile.TemporaryDirectory(prefix="dwell-watched-") as folder:
        watch(arguments.parse_args().dwell, Path(folder))


main()
