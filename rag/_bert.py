"""A BERT forward pass in numpy, for the few short texts of a question.

Why our own: importing sentence-transformers or transformers' BERT costs 5 to 8 s of a process's
life, numpy and tokenizers 0.1 s, and a question is one text. The result agrees with
sentence-transformers to 1e-5 (tests/test_embedding.py). An ingest runs the same weights through
torch (`rag/_torch_bert.py`).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._blas import one_thread
from rag._codes import Tokens, unit_rows

Floats = NDArray[np.float32]
Text = str | tuple[str, str]
"""One text, or two that are read together."""
_TOKENS_PER_BATCH = 1024  # in one pass: what lies between the layers stays within the cache
# erf to 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 7.1.26; halved.
_P = np.float32(0.3275911 / 2**0.5)
_TERMS = [
    np.float32(term / 2)
    for term in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
]


@dataclass(frozen=True, slots=True)
class Linear:
    """`weight` has shape (in, out), contiguous: for few rows BLAS is 1.6 times faster with it."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        out = x @ self.weight
        out += self.bias
        return out


@dataclass(frozen=True, slots=True)
class Norm:
    weight: Floats
    bias: Floats
    epsilon: np.float32

    def __call__(self, x: Floats) -> Floats:
        """Normalise the rows of x, in place."""
        x -= x.mean(-1, keepdims=True)
        variance = np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1])
        x /= np.sqrt(variance + self.epsilon)
        x *= self.weight
        x += self.bias
        return x


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the encoder; `qkv` gives queries, already scaled, keys and values at once."""

    qkv: Linear
    attended: Linear
    attended_norm: Norm
    inner: Linear
    outer: Linear
    outer_norm: Norm


class BertWeights:
    """The tokenizer and the weights of a BERT as both forward passes want them."""

    def __init__(self, folder: Path, weights: Mapping[str, Any] | None = None) -> None:
        """`weights` take the place of those in the folder."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        config = json.loads((folder / "config.json").read_text())
        limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self.heads: int = config["num_attention_heads"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_length=limit)
        self.tokenizer.no_padding()
        found = weights or load_file(folder / "model.safetensors")
        self._w = {name: np.asarray(value, np.float32) for name, value in found.items()}
        self._epsilon = np.float32(config["layer_norm_eps"])
        self.words = self._w["embeddings.word_embeddings.weight"]
        self.positions = (
            self._w["embeddings.position_embeddings.weight"]
            + self._w["embeddings.token_type_embeddings.weight"][0]
        )
        kinds = self._w["embeddings.token_type_embeddings.weight"]
        self.second = kinds[-1] - kinds[0]  # what a piece of the second text of a pair has more
        self.norm = self._norm("embeddings.LayerNorm")
        self.layers = [self._layer(i) for i in range(config["num_hidden_layers"])]
        self._w = {}  # what is used has been taken out

    @property
    def dimension(self) -> int:
        return int(self.words.shape[1])

    def with_layers(self, layers: list[Layer]) -> BertWeights:
        """The same words under other layers."""
        other = copy(self)
        other.layers = layers
        return other

    def vocabulary(self) -> tuple[dict[str, int], list[int]]:
        """The ids of all word pieces, and those of the special ones."""
        added = self.tokenizer.get_added_tokens_decoder()
        return self.tokenizer.get_vocab(), [i for i, token in added.items() if token.special]

    def encodings(self, texts: Sequence[Text]) -> list[tuple[int, Any]]:
        """(row, encoding) of each text, shortest first."""
        numbered = enumerate(self.tokenizer.encode_batch(list(texts)))
        return sorted(numbered, key=lambda item: len(item[1].ids))

    def _layer(self, number: int) -> Layer:
        name = f"encoder.layer.{number}."
        query, key, value = (
            self._linear(f"{name}attention.self.{part}") for part in ("query", "key", "value")
        )
        scale = np.float32((self.heads / self.dimension) ** 0.5)
        qkv = Linear(
            np.concatenate([query.weight * scale, key.weight, value.weight], axis=1),
            np.concatenate([query.bias * scale, key.bias, value.bias]),
        )
        return Layer(
            qkv,
            self._linear(name + "attention.output.dense"),
            self._norm(name + "attention.output.LayerNorm"),
            self._linear(name + "intermediate.dense"),
            self._linear(name + "output.dense"),
            self._norm(name + "output.LayerNorm"),
        )

    def _linear(self, name: str) -> Linear:
        weight = np.ascontiguousarray(self._w[name + ".weight"].T)
        return Linear(weight, self._w[name + ".bias"])

    def _norm(self, name: str) -> Norm:
        return Norm(self._w[name + ".weight"], self._w[name + ".bias"], self._epsilon)


class Bert(ABC):
    """What both forward passes share: embeddings with mean pooling, and the word pieces."""

    def __init__(self, weights: BertWeights) -> None:
        self._weights = weights

    def vocabulary(self) -> tuple[dict[str, int], list[int]]:
        """The ids of all word pieces, and those of the special ones."""
        return self._weights.vocabulary()

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, shape (len(texts), dimension)."""
        return unit_rows(self.means(texts))

    def means(self, texts: Sequence[Text]) -> Floats:
        """The mean of the last hidden states of each text, shape (len(texts), dimension)."""
        out = np.empty((len(texts), self._weights.dimension), np.float32)
        for batch in self._batches(texts):
            out[[row for row, _ in batch]] = means(self._forward(batch))
        return out

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Floats, list[Tokens]]]:
        """Rows of `texts`, their unit vectors, and their word pieces."""
        for batch in self._batches(texts):
            hidden = self._forward(batch)
            said = [_said(encoding, x) for (_, encoding), x in zip(batch, hidden, strict=True)]
            yield [row for row, _ in batch], unit_rows(means(hidden)), said

    def pieces(self, texts: Sequence[str]) -> list[Tokens]:
        """The word pieces of each text, without a pass."""
        read = self._weights.tokenizer.encode_batch(list(texts))
        return [_said(encoding, np.zeros((len(encoding.ids), 0), np.float32)) for encoding in read]

    def _batches(self, texts: Sequence[Text]) -> Iterator[list[tuple[int, Any]]]:
        """The texts as (row, encoding), each once, in batches for `_forward`."""
        batch: list[tuple[int, Any]] = []
        for row, encoding in self._weights.encodings(texts):
            # No text is longer than this one: with padding or without, it is the measure.
            if batch and (len(batch) + 1) * len(encoding.ids) > _TOKENS_PER_BATCH:
                yield batch
                batch = []
            batch.append((row, encoding))
        if batch:
            yield batch

    @abstractmethod
    def _forward(self, batch: list[tuple[int, Any]]) -> list[Floats]:
        """The last hidden states of each text, shape (its tokens, dimension)."""


class NumpyBert(Bert):
    """For few texts: no import that takes seconds."""

    def _forward(self, batch: list[tuple[int, Any]]) -> list[Floats]:
        """The last hidden states of each text, shape (its tokens, dimension)."""
        lengths = [len(encoding.ids) for _, encoding in batch]
        n, width = len(batch), max(lengths)
        ids = np.array([e.ids + [0] * (width - len(e.ids)) for _, e in batch])
        beyond = np.arange(width) >= np.array(lengths)[:, None]
        bias = np.where(beyond, np.float32(-1e9), np.float32(0))[:, None, None, :]
        with one_thread():
            x = self._weights.words[ids] + self._weights.positions[:width]
            second = np.array([e.type_ids + [0] * (width - len(e.ids)) for _, e in batch])
            if second.any():
                x += second[..., None].astype(np.float32) * self._weights.second
            x = self._weights.norm(x.reshape(n * width, -1))
            for layer in self._weights.layers:
                x = self._layer(layer, x, bias if beyond.any() else None, n)
        return [y[:length] for y, length in zip(x.reshape(n, width, -1), lengths, strict=True)]

    def _layer(self, layer: Layer, x: Floats, bias: Floats | None, n: int) -> Floats:
        """X has shape (n * width, dimension): one big product instead of n small ones."""
        attended = layer.attended(self._attention(layer.qkv(x), bias, n))
        attended += x
        x = layer.attended_norm(attended)
        out = layer.outer(gelu(layer.inner(x)))
        out += x
        return layer.outer_norm(out)

    def _attention(self, qkv: Floats, bias: Floats | None, n: int) -> Floats:
        parts = qkv.reshape(n, len(qkv) // n, 3, self._weights.heads, -1).transpose(2, 0, 3, 1, 4)
        query, key, value = parts
        scores = query @ key.swapaxes(-1, -2)
        if bias is not None:
            scores += bias
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        mixed = np.empty((n, len(qkv) // n, *value.shape[1::2]), np.float32)
        np.matmul(scores, value, out=mixed.transpose(0, 2, 1, 3))
        return mixed.reshape(len(qkv), -1)


def gelu(x: Floats) -> Floats:
    """X times the normal distribution at x, to 1e-6, in one new array and two scratch ones."""
    size = np.abs(x)
    t = size * _P
    t += 1
    np.reciprocal(t, out=t)
    tail = t * _TERMS[0]
    for term in _TERMS[1:]:
        tail += term
        tail *= t
    np.multiply(size, size, out=t)
    t *= np.float32(-0.5)
    tail *= np.exp(t, out=t)
    tail *= size
    out = np.maximum(x, 0, out=size)
    out -= tail
    return np.asarray(out, np.float32)


def means(hidden: Sequence[Floats]) -> Floats:
    """The mean of each text's states, shape (n, dimension)."""
    return np.stack([states.mean(0) for states in hidden])


def _said(encoding: Any, hidden: Floats) -> Tokens:
    """The word pieces of an encoding without those that frame it."""
    kept = np.flatnonzero(np.array(encoding.special_tokens_mask) == 0)
    ids, spans = np.array(encoding.ids, np.int64), encoding.offsets
    return Tokens(ids[kept], [spans[i] for i in kept], hidden[kept])


def is_supported(folder: Path) -> bool:
    """Whether the folder holds what `NumpyBert` computes: a BERT, mean-pooled and normalised."""
    try:
        config = json.loads((folder / "config.json").read_text())
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
        modules = json.loads((folder / "modules.json").read_text())
        limit = json.loads((folder / "sentence_bert_config.json").read_text())
    except (OSError, ValueError):
        return False
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and [k for k, v in pooling.items() if k.startswith("pooling_mode") and v is True]
        == ["pooling_mode_mean_tokens"]
        and isinstance(limit.get("max_seq_length"), int)
        and [m["type"].rsplit(".", 1)[-1] for m in modules]
        == ["Transformer", "Pooling", "Normalize"]
        and all((folder / f).is_file() for f in ("tokenizer.json", "model.safetensors"))
    )
