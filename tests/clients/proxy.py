"""What stands between SDK and Dwell: it notes every request, and makes trouble when it is told to."""

import http.client
import http.server
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass

# What is made of one request that brings events.
#   429      answered with Retry-After, and Dwell never sees it
#   500      answered so, and Dwell never sees it
#   kill     Dwell takes it and dies by kill -9 before the SDK hears so; the connection breaks
#   restart  Dwell is told to stop and is started again; the connection breaks, and Dwell never sees the request
TROUBLE = ["429", "500", "kill", "restart"]

# What is said with 429, in seconds.
RETRY_AFTER = 1

TAKEN_AND_KILLED = "200, killed before it was heard"


@dataclass
class Seen:
    """One request on the wire and what became of it."""

    method: str
    path: str
    headers: dict
    body: bytes
    fate: str
    at: float

    def is_gzip(self) -> bool:
        return self.body[:2] == b"\x1f\x8b"

    def brought_events(self) -> bool:
        return self.method == "POST" and self.fate == "200"

    def __str__(self) -> str:
        shown = ("origin", "content-type", "content-encoding", "authorization", "x-retry-count", "user-agent")
        shown = {name: value for name, value in self.headers.items() if name in shown}
        body = f"{len(self.body)} bytes, gzip" if self.is_gzip() else self.body[:4000].decode(errors="replace")
        return f"{self.method} {self.path} -> {self.fate} {shown} {body}"


class Proxy:
    def __init__(self, server):
        self.server = server
        self.seen: list[Seen] = []
        self.trouble: list[str] = []
        self.duplicates = 0
        self.lock = threading.Lock()
        self.troubling = threading.Lock()
        handler = type("Handler", (Handler,), {"proxy": self})
        self.http = Quiet(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def next_trouble(self, method: str) -> str | None:
        with self.lock:
            return self.trouble.pop(0) if method == "POST" and self.trouble else None

    def hear(self, answer: bytes) -> None:
        """Adds up of how many messages Dwell says that they had come before."""
        with self.lock:
            self.duplicates += json.loads(answer).get("duplicate", 0)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args) -> None:
        """Says nothing: clients come and go, and what a request became of is among those seen."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        at = time.time()
        trouble = self.proxy.next_trouble(self.command)
        fate = "broken"
        try:
            fate = self.carry_out(trouble, body)
        finally:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.proxy.seen.append(Seen(self.command, self.path, headers, body, fate, at))

    do_GET = do_POST = do_OPTIONS = do_HEAD = do_PUT = handle_any

    def carry_out(self, trouble: str | None, body: bytes) -> str:
        match trouble:
            case None:
                answer = self.ask(body)
                if answer is None:
                    self.break_off()
                    return "nobody there"
                if self.command == "POST" and answer[0] == 200:
                    self.proxy.hear(answer[2])
                self.tell(*answer)
                return str(answer[0])
            case "429" | "500":
                self.refuse(int(trouble))
                return f"{trouble} made up"
            case "kill":
                answer = self.ask(body)
                with self.proxy.troubling:
                    self.proxy.server.kill()
                    self.break_off()
                    self.proxy.server.start()
                return TAKEN_AND_KILLED if answer and answer[0] == 200 else "killed before it was taken"
            case "restart":
                with self.proxy.troubling:
                    self.break_off()
                    self.proxy.server.stop()
                    self.proxy.server.start()
                return "restarted instead"
        raise ValueError(trouble)

    def ask(self, body: bytes) -> tuple | None:
        """Asks Dwell, and returns status, headers and body of its answer."""
        if (address := self.proxy.server.address) is None:
            return None
        connection = http.client.HTTPConnection(*address, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        except OSError:
            return None
        finally:
            connection.close()

    def refuse(self, status: int) -> None:
        """Answers as Dwell would: what it lets pages of other origins read is asked of it."""
        connection = http.client.HTTPConnection(*self.proxy.server.address, timeout=30)
        connection.request("GET", "/healthz", headers={"origin": self.headers.get("origin", "")})
        headers = connection.getresponse().getheaders()
        connection.close()
        headers = [(name, value) for name, value in headers if name.lower().startswith("access-control-")]
        headers.append(("content-type", "application/problem+json"))
        if status == 429:
            headers.append(("retry-after", str(RETRY_AFTER)))
        self.tell(status, headers, json.dumps({"status": status, "code": "trouble", "message": "made up"}).encode())

    def tell(self, status: int, headers: list, body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def break_off(self) -> None:
        """Resets the connection, as that of a dead process is."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_args) -> None:
        pass
