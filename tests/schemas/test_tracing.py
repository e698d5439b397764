import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from schemas.tracing import Headers, Tracing, parent_of

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    with Tracing("http", "1.2.3", exporter) as tracing:
        yield tracing


def ended(tracing: Tracing, exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    tracing.close()
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_request_is_followed_over_the_log(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with tracing.served("POST", "/v1/predict", CALLER) as served:
        served.answered(200)
    with tracing.sent("prediction.results", served.traceparent) as sent:
        header = [("x", b"y"), ("traceparent", sent.traceparent.encode())]
    tracing.received("prediction.results", 1, 42, "augury.sink", parent_of(header)).end()
    spans = ended(tracing, exporter)
    http, send, process = (
        spans[name] for name in ("POST /v1/predict", "send prediction.results", "process prediction.results")
    )
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {CALLER.split("-")[1]}
    parents = [0 if span.parent is None else span.parent.span_id for span in (http, send, process)]
    assert parents == [int(CALLER.split("-")[2], 16), http.context.span_id, send.context.span_id]
    assert [span.kind for span in (http, send, process)] == [
        SpanKind.SERVER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
    ]
    assert served.trace_id == CALLER.split("-")[1]
    assert dict(process.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "prediction.results",
        "messaging.destination.partition.id": "1",
        "messaging.kafka.offset": 42,
        "messaging.consumer.group.name": "augury.sink",
    }
    assert http.resource.attributes["service.name"] == "augury-http"


@pytest.mark.parametrize(("status", "failed"), [(200, False), (422, False), (503, True)])
def test_only_the_servers_own_failures_are_errors(
    tracing: Tracing, exporter: InMemorySpanExporter, status: int, failed: bool
) -> None:
    with tracing.served("POST", "/v1/predict", "", "https") as span:
        if status != 200:
            span.refused("a-problem")
        span.answered(status)
    (found,) = ended(tracing, exporter).values()
    assert (found.status.status_code is StatusCode.ERROR) == failed
    assert (found.attributes or {})["http.response.status_code"] == status
    assert (found.attributes or {})["url.scheme"] == "https"
    assert (found.attributes or {}).get("error.type") == (None if status == 200 else "a-problem")


def test_an_exception_ends_its_span_as_failed(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(KeyError), tracing.sent("t", ""):
        raise KeyError
    (found,) = ended(tracing, exporter).values()
    assert found.status.status_code is StatusCode.ERROR
    assert (found.attributes or {})["error.type"] == "KeyError"


def test_a_share_of_nothing_keeps_what_a_caller_keeps(exporter: InMemorySpanExporter) -> None:
    tracing = Tracing("http", "1", exporter, share=0.0)
    tracing.sent("own", "").end()
    tracing.sent("kept", CALLER).end()
    tracing.sent("dropped", CALLER[:-1] + "0").end()
    assert set(ended(tracing, exporter)) == {"send kept"}


@pytest.mark.parametrize(
    ("headers", "parent"),
    [
        (None, ""),
        ([], ""),
        ([("traceparent", None)], ""),
        ([("traceparent", b"kafka")], "kafka"),
        ([(b"host", b"x"), (b"Traceparent", b"asgi")], "asgi"),
    ],
)
def test_the_parent_is_found_among_headers(headers: Headers | None, parent: str) -> None:
    assert parent_of(headers) == parent


def test_nonsense_for_a_parent_begins_a_trace(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    tracing.sent("t", "00-nonsense").end()
    (found,) = ended(tracing, exporter).values()
    assert found.parent is None


def test_spans_are_exported_by_otlp_when_it_is_closed() -> None:
    told: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            told.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Tracing.to(f"http://127.0.0.1:{server.server_port}/", "sink", "1.2.3") as tracing:
            tracing.sent("t", CALLER).end()
        server.shutdown()
        thread.join()
    (resource,) = told[0].resource_spans
    names = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert (names["service.name"], names["service.version"]) == ("augury-sink", "1.2.3")
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.trace_id.hex()) == ("send t", CALLER.split("-")[1])
