"""What the harness raises on purpose: the command line prints it as it is."""

from __future__ import annotations

from rag.errors import RagError


class EvalError(RagError):
    """An evaluation that cannot be run or read; the message names the fix."""
