"""Measures Dwell beside other engines and beside the floor: python3 bench/run.py --events 100M --users 2M.

What is measured, how, and what it does not say: bench/README.md. Only the standard library is needed here; the peers
live in a venv that this script makes. It stays small on purpose: a child's peak memory is never told lower than
that of the process that started it.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
DATA = BENCH / "data"
VENV = BENCH / "venv"
TIMEOUT_SECONDS = 1800
PATIENCE_SECONDS = 3600

# The command lines of Dwell, all in one place. FILE, OUT and the rest in capitals are put in below.
SIMULATE = "simulate --plain --events EVENTS --users USERS --days 60 --names 20 --late 2% --seed 1 -o OUT"
DWELL = {
    "curve": "lab FILE --json --threads THREADS",
    "sessions": "sessions FILE --timeout 30m --threads THREADS --json",
    # The peers write no names of first and last activities, so Dwell is not asked for them either.
    "written": "sessions FILE --timeout 30m --event none --threads THREADS -o OUT",
}


def answer_of(task: str, printed: str) -> dict:
    """Takes what Dwell printed apart: the counts at 30 minutes, by the names that the peers use."""
    if task == "written":
        return {}
    said = json.loads(printed)
    names = ("sessions", "total_length_us", "users", "events")
    if task == "curve":
        curve = said["curve"]
        said["events"] = said["activities"]
        said["sessions"] = curve["sessions"][TIMEOUT_SECONDS - 1]
        said["total_length_us"] = curve["total_length_us"][TIMEOUT_SECONDS - 1]
    return {name: said[name] for name in names if name in said}


PEERS = [
    "clickhouse_array",
    "clickhouse_window",
    "datafusion_list",
    "datafusion_window",
    "duckdb_list",
    "duckdb_window",
    "polars_list",
]
FLOORS = ["stored", "dictionary", "view"]
# The floors that the issue names; the third is shown beside them.
NAMED_FLOORS = ["floor, stored", "floor, dictionary"]


@dataclass
class Run:
    cpu: float
    wall: float
    peak_mb: float
    printed: str


@dataclass
class Contender:
    """Something that does a task. `argv` may hold OUT."""

    name: str
    task: str
    argv: list[str]
    startup: list[str] | None = None
    answer: dict = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    startups: list[Run] = field(default_factory=list)
    failure: str | None = None

    def median(self, what: str) -> float:
        return statistics.median(getattr(run, what) for run in self.runs)

    def range(self, what: str) -> str:
        values = sorted(getattr(run, what) for run in self.runs)
        return f"{statistics.median(values):.2f} ({values[0]:.2f}–{values[-1]:.2f})"

    def starting(self) -> float:
        return statistics.median(run.cpu for run in self.startups) if self.startups else 0.0


# ---------------------------------------------------------------------------------------------------- main


def main() -> int:
    given = arguments()
    threads = keep_to(given.threads)
    make_venv()
    dwell = given.dwell or built("dwell", ROOT, ["-p", "dwell"])
    # The floor answers nothing, and a smoke asks for answers only.
    floor = None if given.smoke else given.floor or built("floor", BENCH / "floor", [])
    log = given.data or simulated(dwell, given)
    by_user = sorted_by_user(log, given)
    contenders = all_contenders(dwell, floor, log, by_user, given)
    if given.only:
        contenders = [one for one in contenders if any(word in one.name for word in given.only.split(","))]

    if not given.smoke:
        print_machine(dwell, log, threads)
    print_queries()
    for file in (log, by_user):
        warm(file)
    rounds = 1 if given.smoke else given.rounds
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}, load {load()}", file=sys.stderr)
        for contender in contenders:
            take_turn(contender, first=number == 0)
        if number == 0 and not agree(contenders):
            return 1
    failed = [one for one in contenders if one.failure]
    for one in failed:
        print(f"FAILED {one.task}: {one.name}: {one.failure}", file=sys.stderr)
    if given.smoke:
        print(f"{len(contenders) - len(failed)} passed, {len(failed)} failed")
        return 1 if failed else 0
    print_tables(contenders)
    print_goals(contenders)
    print(f"\nLoad after: {load()}")
    return 1 if any(one.name.startswith("Dwell") for one in failed) else 0


def arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--events", type=number, default=100_000_000)
    words.add_argument("--users", type=number, help="a fiftieth of the events, unless given")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--memory", type=int, default=three_quarters_of_memory(), help="GiB for each peer")
    words.add_argument("--smoke", action="store_true", help="one round; answers only, nothing is timed")
    words.add_argument("--only", help="contenders whose name holds one of these words, by comma")
    words.add_argument("--dwell", help="the binary, instead of building it")
    words.add_argument("--floor", help="the floor's binary, instead of building it")
    words.add_argument("--data", help="a log to read, instead of simulating one")
    given = words.parse_args()
    given.users = given.users or given.events // 50
    return given


def number(text: str) -> int:
    """Reads 100M."""
    unit = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    return int(float(text.rstrip("kM")) * unit)


def three_quarters_of_memory() -> int:
    return max(1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4 >> 30)


def keep_to(threads: int) -> int:
    """Keeps this process and all that it starts to as many cores as threads are measured."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:threads])
    return min(threads, len(cores))


# ------------------------------------------------------------------------------------- what must be there first


def make_venv() -> None:
    """Installs the peers in their exact versions, once."""
    wanted = (BENCH / "requirements.txt").read_text()
    stamp = VENV / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("installing the peers", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    subprocess.run([VENV / "bin/pip", "install", "-q", "-r", BENCH / "requirements.txt"], check=True)
    stamp.write_text(wanted)


def built(name: str, folder: Path, package: list[str]) -> str:
    subprocess.run(["cargo", "build", "--release", "--locked", *package], cwd=folder, check=True)
    target = os.environ.get("CARGO_TARGET_DIR")
    return str((Path(target) if target else folder / "target") / "release" / name)


def simulated(dwell: str, given: argparse.Namespace) -> str:
    """Returns the log for this size, made anew when the command that makes it has changed."""
    words = {"EVENTS": str(given.events), "USERS": str(given.users)}
    argv = [words.get(word, word) for word in SIMULATE.split()]
    name = hashlib.sha256(" ".join(argv).encode()).hexdigest()[:8]
    file = DATA / f"events-{given.events}-{name}.parquet"
    if not file.exists():
        DATA.mkdir(exist_ok=True)
        part = DATA / f"part-{file.name}"
        subprocess.run([dwell, *(str(part) if word == "OUT" else word for word in argv)], check=True)
        part.rename(file)
    return str(file)


def sorted_by_user(log: str, given: argparse.Namespace) -> str:
    DATA.mkdir(exist_ok=True)
    file = DATA / f"{Path(log).stem}-by-user.parquet"
    if not file.exists() or file.stat().st_mtime < Path(log).stat().st_mtime:
        print("sorting a copy by user", file=sys.stderr)
        argv = [python(), BENCH / "sort.py", log, file, str(given.threads), str(given.memory), DATA / "temporary"]
        subprocess.run(argv, check=True)
    return str(file)


def python() -> str:
    return str(VENV / "bin/python")


def all_contenders(dwell, floor, log, by_user, given) -> list[Contender]:
    """Lists them in the order in which they take turns."""

    def ours(task: str, file: str, name: str) -> Contender:
        words = {"FILE": file, "THREADS": str(given.threads)}
        argv = [dwell, *(words.get(word, word) for word in DWELL[task].split())]
        return Contender(name, "written" if task == "written" else where(file), argv)

    def where(file: str) -> str:
        return "aggregate" if file == log else "sorted"

    def floors(file: str) -> list[Contender]:
        threads = str(given.threads)
        argv = [floor, file, "--threads", threads, "--user"]
        return [Contender(f"floor, {form}", where(file), [*argv, form]) for form in FLOORS if floor]

    def peer(name: str, task: str) -> Contender:
        argv = [python(), str(BENCH / "peers" / f"{name}.py"), log, "--timeout", str(TIMEOUT_SECONDS)]
        argv += ["--threads", str(given.threads), "--memory", str(given.memory), "--temporary", temporary()]
        work = [*argv, "--write", "OUT"] if task == "written" else argv
        return Contender(name, task, work, startup=[*argv, "--startup"])

    return [
        ours("curve", log, "Dwell, curve"),
        ours("sessions", log, "Dwell, sessions"),
        *floors(log),
        *(peer(name, "aggregate") for name in PEERS),
        ours("written", log, "Dwell"),
        *(peer(name, "written") for name in PEERS),
        ours("curve", by_user, "Dwell, curve"),
        ours("sessions", by_user, "Dwell, sessions"),
        *floors(by_user),
    ]


def temporary() -> str:
    folder = DATA / "temporary"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


# ---------------------------------------------------------------------------------------------------- measuring


def take_turn(contender: Contender, first: bool) -> None:
    if contender.failure:
        return
    out = str(DATA / f"written-{contender.name.replace(', ', '-')}.parquet")
    try:
        if contender.startup:
            contender.startups.append(measured(contender.startup))
        run = measured([out if word == "OUT" else word for word in contender.argv])
    except RuntimeError as error:
        contender.failure = str(error)
        return
    contender.runs.append(run)
    if contender.task == "written":
        contender.answer = {"file": out}
    elif not contender.name.startswith("floor"):
        task = "curve" if contender.name.endswith("curve") else "sessions"
        ours = contender.name.startswith("Dwell")
        answer = answer_of(task, run.printed) if ours else json.loads(run.printed)
        if not first and answer != contender.answer:
            contender.failure = f"said {answer} after {contender.answer}"
        contender.answer = answer
    shutil.rmtree(DATA / "temporary", ignore_errors=True)
    (DATA / "temporary").mkdir(parents=True)


def measured(argv: list[str]) -> Run:
    """Runs one process; what it used is what the kernel says about this one child."""
    printed = DATA / "printed.txt"
    complaint = DATA / "complaint.txt"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    with open(printed, "wb") as stdout, open(complaint, "wb") as stderr:
        began = time.monotonic()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment)
        status, usage = waited(child, began)
        wall = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        last = complaint.read_text(errors="replace").strip().splitlines()[-3:]
        raise RuntimeError(f"ended with {child.returncode} after {wall:.0f} s: {' | '.join(last)}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e6, printed.read_text())


def waited(child: subprocess.Popen, began: float):
    """Waits for the child, but not for ever. A glance every 5 ms costs this process next to nothing."""
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            return status, usage
        if PATIENCE_SECONDS < time.monotonic() - began:
            child.kill()
            _, status, usage = os.wait4(child.pid, 0)
            return status, usage
        time.sleep(0.005)


def warm(file: str) -> None:
    """Reads the file once, so that nobody pays for the disk."""
    with open(file, "rb") as opened:
        while opened.read(1 << 24):
            pass


# ---------------------------------------------------------------------------------------------------- agreeing


def agree(contenders: list[Contender]) -> bool:
    """Says whether all have given the same answer, and shows all answers when they have not."""
    counted = [one for one in contenders if one.answer and one.task in ("aggregate", "sorted")]
    files = [one.answer["file"] for one in contenders if one.task == "written" and one.answer]
    same = True
    for name in ("sessions", "total_length_us", "users", "events"):
        if 1 < len({one.answer[name] for one in counted if name in one.answer}):
            same = False
    if not same:
        print("THE ANSWERS DIFFER", file=sys.stderr)
        for one in counted:
            print(f"  {one.task:9} {one.name:18} {json.dumps(one.answer)}", file=sys.stderr)
    elif counted:
        print("All agree: " + json.dumps(max((one.answer for one in counted), key=len)))
    return same and written_agree(files, counted)


def written_agree(files: list[str], counted: list[Contender]) -> bool:
    if not files:
        return True
    compared = subprocess.run([python(), BENCH / "compare.py", *files], capture_output=True, text=True)
    facts = [json.loads(line) for line in compared.stdout.splitlines()]
    same = compared.returncode == 0
    for one in counted:
        for name in ("sessions", "total_length_us"):
            same = same and facts != [] and facts[0][name] == one.answer[name]
    if not same:
        print("THE WRITTEN SESSIONS DIFFER", file=sys.stderr)
        print(compared.stdout + compared.stderr, file=sys.stderr)
        return False
    print("Written alike: " + json.dumps({**facts[0], "file": f"all {len(facts)}"}))
    for file in files:
        os.remove(file)
    return True


# ---------------------------------------------------------------------------------------------------- telling


def print_machine(dwell: str, log: str, threads: int) -> None:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    peers = said([python(), "-m", "pip", "freeze", "--disable-pip-version-check"]).split()
    print(f"CPU: {model.partition(':')[2].strip() or platform.processor()}, {os.cpu_count()} cores, kept to {threads}")
    print(f"Memory: {memory_gb:.0f} GiB; {platform.platform()}; Python {platform.python_version()}")
    print(f"Dwell: {said([dwell, '--version'])}, {said(['git', '-C', str(ROOT), 'describe', '--always', '--dirty'])}")
    print("Peers: " + ", ".join(peer for peer in peers if peer.split("==")[0] in VERSIONS))
    print(f"Log: {Path(log).name}, {os.path.getsize(log) / 1e6:.0f} MB, in the page cache")
    print(f"Load before: {load()}\n")


VERSIONS = ("duckdb", "chdb", "chdb-core", "polars", "polars-runtime-32", "datafusion", "pyarrow")


def said(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
    except OSError:
        return "unknown"


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def print_queries() -> None:
    for name in PEERS:
        text = (BENCH / "peers" / f"{name}.py").read_bytes()
        print(f"query bench/peers/{name}.py {hashlib.sha256(text).hexdigest()[:12]}", file=sys.stderr)


def print_tables(contenders: list[Contender]) -> None:
    titles = {
        "aggregate": "Sessions, total length and users at 30 minutes; Dwell, curve: at every timeout",
        "written": "Every session written to Parquet",
        "sorted": "The same log sorted by user",
    }
    for task, title in titles.items():
        those = [one for one in contenders if one.task == task and one.runs]
        if not those:
            continue
        ours = next((one for one in those if one.name.startswith("Dwell")), None)
        print(f"\n### {title}\n")
        print("| who | CPU s: median (range) | of it starting | wall s | peak MB | times Dwell |")
        print("|---|---|---|---|---|---|")
        for one in sorted(those, key=lambda one: work(one)):
            ratio = f"{work(one) / work(ours):.2f}" if ours else ""
            starting = f"{one.starting():.2f}" if one.startups else ""
            print(
                f"| {one.name} | {one.range('cpu')} | {starting} | {one.range('wall')} "
                f"| {one.median('peak_mb'):.0f} | {ratio} |"
            )


def work(contender: Contender) -> float:
    """CPU seconds without those of starting: to a peer's advantage, since Dwell's are always counted."""
    return contender.median("cpu") - contender.starting()


def print_goals(contenders: list[Contender]) -> None:
    def find(task: str, name: str) -> float | None:
        return next((work(one) for one in contenders if (one.task, one.name) == (task, name) and one.runs), None)

    def fastest(task: str, names) -> float | None:
        return min((found for name in names if (found := find(task, name)) is not None), default=None)

    curve, written = find("aggregate", "Dwell, curve"), find("written", "Dwell")
    ours = [one for one in contenders if one.name.startswith("Dwell") and one.runs]
    goals = [
        ("curve to the fastest peer", curve, fastest("aggregate", PEERS), 0.25),
        ("curve to the lower floor", curve, fastest("aggregate", NAMED_FLOORS), 2.5),
        ("written to the fastest peer", written, fastest("written", PEERS), 1 / 3),
        ("curve to sessions alone", curve, find("aggregate", "Dwell, sessions"), 1.15),
        ("sorted, curve to its lower floor", find("sorted", "Dwell, curve"), fastest("sorted", NAMED_FLOORS), 1.3),
    ]
    print("\n### To reach\n\n| what | at most | measured | |\n|---|---|---|---|")
    for what, one, other, most in goals:
        if one is not None and other is not None:
            print(f"| {what} | {most:.2f} | {one / other:.2f} | {'reached' if one / other <= most else 'missed'} |")
    if ours:
        peak = max(run.peak_mb for one in ours for run in one.runs)
        print(f"| peak memory of Dwell, MB | 800 | {peak:.0f} | {'reached' if peak <= 800 else 'missed'} |")


if __name__ == "__main__":
    sys.exit(main())
