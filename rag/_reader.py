"""A small cross-encoder, which reads two texts together: a statement and what may support it, or a
question and what may answer it.

It is the encoder that ships, its layers trained on by `benchmarks/train_reader.py`. Kept in
data/reader.npz are the differences alone: of matrices in eight bits with a scale for each column,
of the rest in sixteen.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rag._bert import BertWeights, Floats, Layer, Linear, Norm, NumpyBert
from rag.errors import EmbeddingError

FILE = Path(__file__).parent / "data" / "reader.npz"
_REMEMBERED = 2_000  # pairs whose reading is kept
_HEAD = 50  # characters of a title that a sentence is read under
_LONGEST = 2_000  # characters of either text that are looked at; fewer are read
Read = Callable[[str, str], Floats]
"""(statement, passage) -> logits that it supports, contradicts, does neither; shape (3,)."""


class Reader:
    """Raises EmbeddingError where its file cannot be read."""

    def __init__(self, weights: BertWeights, file: Path = FILE) -> None:
        try:
            with np.load(file) as kept:
                found = dict(kept)
            layers = [changed(layer, i, found) for i, layer in enumerate(weights.layers)]
            self._head = Linear(found["head.weight"], found["head.bias"])
        except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
            raise EmbeddingError(f"{file} cannot be read; reinstall footnoted") from error
        self._bert = NumpyBert(weights.with_layers(layers))
        self._read = lru_cache(maxsize=_REMEMBERED)(self._logits)

    def supports(self, statement: str, passage: str) -> Floats:
        """Logits that the passage supports the statement, contradicts it, does neither."""
        return self._read(statement, passage)[:3]

    def answers(self, question: str, passage: str) -> float:
        """The log-odds that the passage answers the question."""
        return float(self._read(question, passage)[3])

    def _logits(self, first: str, second: str) -> Floats:
        logits: Floats = self._head(self._bert.means([(readable(first), readable(second))]))[0]
        return logits


def readable(text: str) -> str:
    """As a tokenizer takes it: half a surrogate pair, as a terminal can give, is no text to it."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()


def under(title: str, sentence: str) -> str:
    """A sentence as it is read for a question: after the head of the title of its paper."""
    head = title.partition(":")[0].rstrip(". ")
    if len(head) > _HEAD:
        head = head[:_HEAD].rpartition(" ")[0] or head[:_HEAD]
    return f"{head}. {sentence}"


def changed(layer: Layer, number: int, kept: Mapping[str, NDArray[Any]]) -> Layer:
    """The layer with what is kept for it added."""
    parts: dict[str, Any] = {}
    for part in fields(layer):
        old, name = getattr(layer, part.name), f"{number}.{part.name}"
        weight, bias = _added(name + ".weight", kept), _added(name + ".bias", kept)
        if isinstance(old, Linear):
            parts[part.name] = Linear(old.weight + weight, old.bias + bias)
        else:
            parts[part.name] = Norm(old.weight + weight, old.bias + bias, old.epsilon)
    return Layer(**parts)


def _added(name: str, kept: Mapping[str, NDArray[Any]]) -> Floats:
    scale = kept.get(name + ".scale")
    return kept[name].astype(np.float32) * (np.float32(1) if scale is None else scale)


def differences(before: Sequence[Layer], after: Sequence[Layer]) -> dict[str, NDArray[Any]]:
    """What `changed` needs to make the second of the first."""
    kept: dict[str, NDArray[Any]] = {}
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        for part in fields(old):
            was, becomes = getattr(old, part.name), getattr(new, part.name)
            name = f"{number}.{part.name}"
            kept[name + ".bias"] = (becomes.bias - was.bias).astype(np.float16)
            change = becomes.weight - was.weight
            if change.ndim == 2:
                scale = np.maximum(np.abs(change).max(axis=0), 1e-12) / 127
                kept[name + ".weight.scale"] = scale.astype(np.float32)
                kept[name + ".weight"] = np.round(change / scale).astype(np.int8)
            else:
                kept[name + ".weight"] = change.astype(np.float16)
    return kept
