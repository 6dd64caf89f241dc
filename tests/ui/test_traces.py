from __future__ import annotations

import pytest

from tests.ui.test_render import answer
from ui import traces


def test_an_answer_becomes_a_span_with_its_stages_and_no_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    early = {"retrieve": 0.5, "generate": 0.0, "total": 0.5}  # a refusal goes no further
    traces.record(answer(seconds=early))
    assert {span.name for span in kept.get_finished_spans()} == {"ask", "retrieve"}
    kept.clear()
    seconds = {"retrieve": 0.5, "rank": 0.1, "generate": 1.0, "verify": 0.25, "total": 2.0}
    traces.record(answer(seconds=seconds))
    spans = {span.name: span for span in kept.get_finished_spans()}
    assert set(spans) == {"ask", "retrieve", "rank", "generate", "verify"}
    lengths = {name: (s.end_time - s.start_time) / 1e9 for name, s in spans.items()}
    assert lengths.pop("ask") == pytest.approx(seconds.pop("total"))
    assert lengths == pytest.approx(seconds)
    assert spans["verify"].parent.span_id == spans["ask"].context.span_id
    assert "SPANN" not in str([dict(span.attributes) for span in spans.values()])
    provider.shutdown()
