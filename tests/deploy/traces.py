"""Reads the traces of a running `dwell serve` by the messages that OpenTelemetry publishes: see README.md."""

import argparse
import base64
import http.server
import json
import re
import sys
import tempfile
import threading
import urllib.request
from base64 import b64encode
from pathlib import Path

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/clients"))

from server import Server, wait_until  # noqa: E402

# In JSON, OTLP writes these as hexadecimal digits, where Protobuf has base64; so many bytes each.
IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


class Collector(http.server.ThreadingHTTPServer):
    """Takes what it understands to the letter, and keeps what was wrong with the rest."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.wrong: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            if (self.path, self.headers["content-type"]) != ("/v1/traces", "application/json"):
                raise ValueError(f"{self.path}, {self.headers['content-type']}")
            # A field that the messages do not have is an error.
            self.server.requests.append(json_format.Parse(as_protobuf(body), ExportTraceServiceRequest()))
            status, answer = 200, b"{}"
        except (ValueError, json_format.ParseError) as error:
            self.server.wrong.append(f"{error}: {body.decode(errors='replace')}")
            status, answer = 400, b"{}"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args) -> None:
        """Says nothing."""


def as_protobuf(body: bytes) -> str:
    def ids_of(read: dict) -> dict:
        for name in IDS.keys() & read.keys():
            if not re.fullmatch(f"[0-9a-f]{{{2 * IDS[name]}}}", read[name]):
                raise ValueError(f"{name} is {read[name]!r}")
            read[name] = base64.b64encode(bytes.fromhex(read[name])).decode()
        return read

    return json.dumps(json.loads(body, object_hook=ids_of))


def look_at(collector: Collector) -> None:
    assert not collector.wrong, collector.wrong
    for request in collector.requests:
        for resource in request.resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert named["service.name"] == "dwell", named
    spans = {span.span_id: span for span in collector.spans()}
    assert {span.name for span in spans.values()} == {"request", "append", "turn", "commit"}, spans
    for span in spans.values():
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
        assert span.kind == (Span.SPAN_KIND_SERVER if span.name == "request" else Span.SPAN_KIND_INTERNAL), span
        if span.name in ("append", "commit"):
            parent = spans[span.parent_span_id]
            assert parent.name == {"append": "request", "commit": "turn"}[span.name], (parent, span)
            assert parent.trace_id == span.trace_id, (parent, span)
        else:
            assert not span.parent_span_id, span


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--dwell", type=Path, required=True, help="the binary")
    dwell = arguments.parse_args().dwell
    collector = Collector()
    endpoint = "http://127.0.0.1:{}".format(collector.server_address[1])
    with tempfile.TemporaryDirectory(prefix="dwell-traces-") as folder:
        server = Server(dwell, Path(folder), f"otlp.endpoint={endpoint}", "otlp.one_in=1")
        key = server.command("apps", "add", "shop")["write_key"]
        server.start()
        try:
            for number in range(3):
                url = "http://{}:{}/v1/track".format(*server.address)
                body = json.dumps({"userId": "ada", "event": f"Tapped {number}"}).encode()
                headers = {"authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}
                urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers)).read()
            names = lambda: [span.name for span in collector.spans()]  # noqa: E731
            wait_until(
                "a span of every sort",
                lambda: collector.wrong or (3 <= names().count("append") and "commit" in names()),
                lambda: f"{names()} {collector.wrong}",
            )
        finally:
            # What waits is sent at the end.
            server.stop()
    look_at(collector)
    print(f"{len(collector.spans())} spans in {len(collector.requests)} requests, each as OpenTelemetry's messages have it")


main()
