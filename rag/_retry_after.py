"""How long a server asks to wait before the next request: the header `Retry-After`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, which the server gives as such or as a date; None where it asks nothing."""
    value = str(headers.get("retry-after") or "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value)
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _until(date: str) -> float:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return -1.0
