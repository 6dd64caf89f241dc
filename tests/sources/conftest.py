"""What the tests of live queries share."""

import pytest

from rag.sources import _http


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Attempts follow each other at once, and no key of whoever runs the tests is used."""
    monkeypatch.setattr(_http, "BACKOFF", 0.01)
    for variable in ("NCBI_API_KEY", "OPENALEX_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
