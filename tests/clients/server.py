"""A `dwell serve` that can be stopped, killed and started again on the same data folder."""

import http.client
import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

# How long anything that was said may take to be known, or a server to start.
PATIENCE = 30

POLICY = 'timeout = "2s"\n'


class Server:
    def __init__(self, dwell: Path, folder: Path, *settings: str):
        self.dwell = dwell
        self.settings = settings
        self.data = folder / "data"
        self.policy = folder / "policy.toml"
        self.policy.write_text(POLICY)
        self.log = (folder / "dwell.log").open("ab")
        self.process = None
        self.address = None

    def command(self, *args: str) -> dict:
        argv = [str(self.dwell), *args, "--data", str(self.data), "--json"]
        return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)

    def add_app(self, name: str) -> "App":
        write_key = self.command("apps", "add", name)["write_key"]
        return App(self, write_key, self.command("keys", "add", "--app", name, "--scope", "read"))

    def start(self) -> None:
        argv = [str(self.dwell), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"]
        for setting in (f"sessions.policy={self.policy}", *self.settings):
            argv += ["--set", setting]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if line.startswith("dwell listens on http://"):
                host, port = line.split("//")[1].strip().rsplit(":", 1)
                self.address = (host, int(port))
                break
        else:
            raise SystemExit(f"dwell did not start: it ended with {self.process.wait()}")
        # Nothing more is said there, but a full pipe would stop it.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self) -> None:
        self.end_by(signal.SIGTERM)

    def kill(self) -> None:
        self.end_by(signal.SIGKILL)

    def end_by(self, how: signal.Signals) -> None:
        self.address = None
        self.process.send_signal(how)
        self.process.wait(timeout=PATIENCE)


class App:
    def __init__(self, server: Server, write_key: str, key: dict):
        self.server = server
        self.write_key = write_key
        self.key = key["key"]

    def get(self, path: str) -> dict | None:
        """Returns an answer, after a restart if there is one just now; nothing where Dwell knows of nothing."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask(path)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                raise
            except (OSError, http.client.HTTPException):
                if deadline < time.monotonic():
                    raise
                time.sleep(0.05)

    def ask(self, path: str) -> dict:
        if (address := self.server.address) is None:
            raise ConnectionRefusedError("dwell is not running")
        headers = {"authorization": f"Bearer {self.key}"}
        request = urllib.request.Request("http://{}:{}{}".format(*address, path), headers=headers)
        return json.load(urllib.request.urlopen(request, timeout=PATIENCE))

    def numbers(self) -> dict:
        return self.get("/v1/app")

    def user(self, user: str) -> dict | None:
        return self.get(f"/v1/users/{quote(user)}")

    def sessions(self, user: str) -> list:
        answer = self.get(f"/v1/users/{quote(user)}/sessions")
        return answer["sessions"] if answer else []


def wait_until(what: str, asked, show=lambda: "") -> None:
    """Waits until `asked()` is true, or fails with what `show()` says."""
    deadline = time.monotonic() + PATIENCE
    while not asked():
        if deadline < time.monotonic():
            raise AssertionError(f"{what} did not happen in {PATIENCE} s: {show()}")
        time.sleep(0.05)
