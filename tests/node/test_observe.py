"""What leaves a node for whoever watches machines: counts, durations, spans without a person's words and without sealed ledgers."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy import tracing
from protocol.commands import LogDispute, Party
from protocol.node import observe
from protocol.problem import Refused
from tests.node.desk_kit import VILLAGE, exchange, new_id


def logged(ledger: str = VILLAGE) -> LogDispute:
    return LogDispute(id=new_id(), ledger=ledger, type="0204", account="秘密的话", parties=[Party("张三")], title="地界")


async def test_saves_and_admissions_are_counted_and_failures_apart(county):
    village, town = await county.node("village"), await county.node("town")
    saves, admits = observe.timings["save"], observe.timings["admit"]
    before = (saves.count, saves.failed, admits.count)
    await village.say(logged())
    with pytest.raises(Refused):
        await village.say(logged("330523/330523002"))
    await exchange(village, town)
    assert (saves.count - before[0], saves.failed - before[1]) == (2, 1)
    assert admits.count > before[2]
    assert saves.summed()[-1] == ("+Inf", saves.count)
    assert sum(saves.buckets) == saves.count


async def test_a_span_says_ids_and_counts_and_hides_sealed_ledgers(county):
    said = []

    @contextmanager
    def span(kind, facts):
        said.append((kind, facts))
        yield

    observe.trace(span)
    try:
        await (await county.node("village")).say(logged())
        call = observe.each("publish", lambda ledger: {"ledger": ledger})(_nothing)
        await call("330523/sealed/nvill2222")
        with pytest.raises(ValueError, match="not for a trace"):
            await observe.each("publish", lambda ledger: {"words": ledger})(_nothing)("330523")
    finally:
        observe.trace(None)
    assert said == [("save", {"kind": "LogDispute"}), ("publish", {"ledger": "sealed"})]


async def _nothing(_ledger: str) -> None:
    return None


class Receiver(BaseHTTPRequestHandler):
    got: list[bytes]

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args) -> None:
        pass


async def test_spans_reach_a_receiver_over_otlp(county):
    Receiver.got = []
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    provider = tracing.start(f"http://127.0.0.1:{server.server_port}/v1/traces", "nvill2222")
    try:
        await (await county.node("village")).say(logged())
    finally:
        tracing.stop(provider)
        server.shutdown()
        server.server_close()
        thread.join(5)
    names, text = set(), b"".join(Receiver.got)
    for raw in Receiver.got:
        request = ExportTraceServiceRequest()
        request.ParseFromString(raw)
        names |= {span.name for r in request.resource_spans for scope in r.scope_spans for span in scope.spans}
    assert "save" in names
    assert "秘密的话".encode() not in text
    assert "张三".encode() not in text
