"""What was measured of each judge on labels by people: `eval grounders` writes it down."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from rag.config import EmbeddingSettings, Settings

PATH = Path(__file__).parent / "data" / "judges.json"


def measured_record(judge: str, settings: Settings) -> dict[str, Any]:
    """By dataset: AUROC, balanced accuracy and calibration error; empty where never measured.

    A judge that reads vectors was measured with those of the encoder that ships, no other's.
    """
    shipped = EmbeddingSettings()
    used = settings.embedding
    if judge == "embedding" and (used.name, used.model) != (shipped.name, shipped.model):
        return {}
    found: dict[str, Any] = _records().get(judge, {})
    return found


@cache
def _records() -> dict[str, Any]:
    if not PATH.is_file():
        return {}
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return found
