"""Spans of retrieve, rank, generate and verify, where a process has OpenTelemetry set up.

The API alone does nothing: `opentelemetry-instrument footnoted serve`, or a tracer provider that a
program sets, makes the spans go somewhere. They hold times and counts, and no text.
"""

from __future__ import annotations

import time

from opentelemetry import trace

from rag.types import Answer

_STAGES = ("retrieve", "rank", "generate", "verify")
_NANO = 1_000_000_000


def record(answer: Answer) -> None:
    """Tell of an answer that has just been made; its stages are laid out from its own clock."""
    tracer = trace.get_tracer("footnoted")
    end = time.time_ns()
    at = end - int(answer.seconds.get("total", 0.0) * _NANO)
    with trace.use_span(tracer.start_span("ask", start_time=at), end_on_exit=False) as span:
        span.set_attributes(
            {
                "footnoted.backend": answer.backend,
                "footnoted.refused": answer.refused,
                "footnoted.sentences": len(answer.sentences),
                "footnoted.citations": len(answer.citations),
            }
        )
        for stage in (name for name in _STAGES if answer.seconds.get(name)):  # 0: not reached
            took = int(answer.seconds[stage] * _NANO)
            tracer.start_span(stage, start_time=at).end(at + took)
            at += took
        span.end(end)
