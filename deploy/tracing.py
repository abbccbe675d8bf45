"""Traces by OpenTelemetry, off unless `[traces] endpoint` names a receiver: a span for every save, admission, publish, Have, pull,
answer and piece of a file (protocol/node/observe.py), with ledger, origin, node and counts, never a person's words.

Sent in the background by OTLP over HTTP; a receiver that is away costs nothing but its spans.
"""

from typing import Any

from protocol.node import observe
from protocol.node.version import VERSION


def start(endpoint: str, node: str) -> "Any":
    """Returns what `stop` takes. Raises RuntimeError where the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise RuntimeError('配置了 [traces]，但没有装 OpenTelemetry：pip install "yidi[traces]"') from error
    about = Resource.create({"service.name": "yidi", "service.version": VERSION, "service.instance.id": node})
    provider = TracerProvider(resource=about)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    tracer = provider.get_tracer("yidi")
    observe.trace(lambda kind, facts: tracer.start_as_current_span(kind, attributes=facts))
    return provider


def stop(provider: Any) -> None:
    """What is still here goes out first, if the receiver takes it in time."""
    observe.trace(None)
    provider.shutdown()
