"""Questions from one's own papers: answerable ones with gold, and three kinds that are not."""

from __future__ import annotations

from eval.making.make import Made, make

__all__ = ["Made", "make"]
