"""Traces of requests, from door to log to warehouse: OpenTelemetry spans, and W3C trace context in headers.

Names and attributes are those of OpenTelemetry's semantic conventions for HTTP servers and for messaging.
Who traces holds a `Tracing`, who does not holds None, and asks nothing more of it than that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

Headers = (
    Mapping[str, str | bytes | None]
    | Sequence[tuple[str, str | bytes | None]]
    | Iterable[tuple[bytes, bytes]]
)
TRACEPARENT = "traceparent"
_SERVER_ERROR = 500
_CONTEXT = TraceContextTextMapPropagator()


def parent_of(headers: Headers | None) -> str:
    """Give the `traceparent` among a call's or a Kafka record's headers; empty where there is none."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    for name, value in pairs:
        if value is not None and _text(name).lower() == TRACEPARENT:
            return _text(value)
    return ""


class Span:
    """A step that has begun; as a context manager it ends with the block, and fails with its exception."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """What the next step is told, as a header of that name."""
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, trace.set_span_in_context(self._span))
        return carrier.get(TRACEPARENT, "")

    @property
    def trace_id(self) -> str:
        """The trace, in 32 hex digits, for logs."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    def refused(self, problem: str) -> None:
        """State the kind of problem that is told in place of an answer."""
        self._span.set_attribute("error.type", problem)

    def answered(self, status: int) -> None:
        """State the status of an HTTP answer."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))

    def failed(self, kind: str) -> None:
        """State that the step failed, and how."""
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """End it."""
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.failed(kind.__name__)
        self.end()


class Tracing:
    """Spans of one process, which `exporter` is given in batches from a thread of its own.

    `share` of the traces that begin here are kept, from 0 to 1; one that came from elsewhere is kept where
    its caller keeps it. Many steps may be under way at once, in any thread: nothing goes by what is current.
    """

    def __init__(self, service: str, version: str, exporter: SpanExporter, share: float = 1.0) -> None:
        named = Resource.create({"service.name": f"augury-{service}", "service.version": version})
        # Whoever runs a service ends it; a hook at exit would end it twice.
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(share), resource=named, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("augury", version)

    @classmethod
    def to(cls, endpoint: str, service: str, version: str, share: float = 1.0) -> Self:
        """Export by OTLP over HTTP to the collector at `endpoint`, such as `http://collector:4318`."""
        return cls(service, version, OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces"), share)

    def served(self, method: str, route: str, parent: str, scheme: str = "http") -> Span:
        """Begin the answer to an HTTP request, under its caller's `traceparent` where it brought one."""
        attributes = {"http.request.method": method, "http.route": route, "url.path": route}
        return self._begin(f"{method} {route}", SpanKind.SERVER, parent, attributes | {"url.scheme": scheme})

    def sent(self, topic: str, parent: str) -> Span:
        """Begin the way of a record to the log; the record's header is this span's `traceparent`."""
        return self._begin(f"send {topic}", SpanKind.PRODUCER, parent, _messaging("send", topic))

    def received(self, topic: str, partition: int, offset: int, group: str, parent: str) -> Span:
        """Begin what the consumer `group` does with a record."""
        attributes = _messaging("process", topic) | {
            "messaging.consumer.group.name": group,
            "messaging.destination.partition.id": str(partition),
            "messaging.kafka.offset": offset,
        }
        return self._begin(f"process {topic}", SpanKind.CONSUMER, parent, attributes)

    def close(self) -> None:
        """Export what has ended, and stop."""
        self._provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(
        self, name: str, kind: SpanKind, parent: str, attributes: Mapping[str, AttributeValue]
    ) -> Span:
        context = _CONTEXT.extract({TRACEPARENT: parent} if parent else {})
        return Span(self._tracer.start_span(name, context, kind, attributes))


def _messaging(operation: str, topic: str) -> dict[str, AttributeValue]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
