"""A BERT forward pass in numpy, for the few short texts of a question.

Why our own: importing sentence-transformers or transformers' BERT costs 5 to 8 s of a process's
life, numpy and tokenizers 0.1 s, and a question is one text. The result agrees with
sentence-transformers to 1e-5 (tests/test_embedding.py), which does the bulk of an ingest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._codes import Tokens

Floats = NDArray[np.float32]
_TOKENS_PER_BATCH = 1024  # padded tokens in one pass: the arrays stay within the processor's cache


class NumpyBert:
    """Sentence embeddings of a BERT with mean pooling, as (n, dimension) unit vectors."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        config = json.loads((folder / "config.json").read_text())
        limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self._heads: int = config["num_attention_heads"]
        self._layers: int = config["num_hidden_layers"]
        self._epsilon: float = config["layer_norm_eps"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_length=limit)
        self._tokenizer.no_padding()
        self._w: dict[str, Floats] = load_file(folder / "model.safetensors")
        self._dimension = self._w["embeddings.LayerNorm.bias"].shape[0]

    def vocabulary(self) -> tuple[dict[str, int], list[int]]:
        """The ids of all word pieces, and those of the special ones."""
        added = self._tokenizer.get_added_tokens_decoder()
        return self._tokenizer.get_vocab(), [i for i, token in added.items() if token.special]

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, shape (len(texts), dimension)."""
        out = np.empty((len(texts), self._dimension), np.float32)
        for rows, encodings in self._batches(texts):
            out[rows] = _pooled(*self._forward([e.ids for e in encodings]))
        return out

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Floats, list[Tokens]]]:
        """Rows of `texts`, their unit vectors, and their word pieces."""
        for rows, encodings in self._batches(texts):
            hidden, mask = self._forward([e.ids for e in encodings])
            yield rows, _pooled(hidden, mask), list(map(_tokens, encodings, hidden))

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[Any]]]:
        """Rows of about equal length with their encodings."""
        encodings = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(encodings)), key=lambda i: len(encodings[i].ids))
        start = 0
        while start < len(order):
            size = max(1, _TOKENS_PER_BATCH // max(1, len(encodings[order[start]].ids)))
            rows = order[start : start + size]
            yield rows, [encodings[i] for i in rows]
            start += size

    def _forward(self, ids: list[list[int]]) -> tuple[Floats, Floats]:
        """Last hidden states, shape (n, width, dimension), and the mask of what is no padding."""
        width = max(map(len, ids))
        mask = np.array([[1.0] * len(row) + [0.0] * (width - len(row)) for row in ids], np.float32)
        padded = np.array([row + [0] * (width - len(row)) for row in ids])
        x = self._embeddings(padded, width)
        bias = ((1.0 - mask) * np.float32(-1e9))[:, None, None, :]
        for layer in range(self._layers):
            x = self._layer(x, bias, f"encoder.layer.{layer}.")
        return x, mask

    def _embeddings(self, ids: NDArray[Any], width: int) -> Floats:
        w = self._w
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:width]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        return self._norm(x, "embeddings.LayerNorm.")

    def _layer(self, x: Floats, bias: Floats, name: str) -> Floats:
        attended = self._linear(self._attention(x, bias, name), name + "attention.output.dense.")
        x = self._norm(x + attended, name + "attention.output.LayerNorm.")
        hidden = _gelu(self._linear(x, name + "intermediate.dense."))
        return self._norm(
            x + self._linear(hidden, name + "output.dense."), name + "output.LayerNorm."
        )

    def _attention(self, x: Floats, bias: Floats, name: str) -> Floats:
        n, length, size = x.shape
        q, k, v = (
            self._linear(x, f"{name}attention.self.{part}.")
            .reshape(n, length, self._heads, -1)
            .transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(size / self._heads)) + bias
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed: Floats = (scores @ v).transpose(0, 2, 1, 3).reshape(n, length, size)
        return mixed

    def _linear(self, x: Floats, name: str) -> Floats:
        weight = self._w[name + "weight"]
        flat = x.reshape(-1, x.shape[-1]) @ weight.T  # one big product instead of n small ones
        shape = (*x.shape[:-1], weight.shape[0])
        return np.asarray(flat + self._w[name + "bias"], np.float32).reshape(shape)

    def _norm(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self._epsilon))
        return np.asarray(x * self._w[name + "weight"] + self._w[name + "bias"], np.float32)


def _pooled(hidden: Floats, mask: Floats) -> Floats:
    pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), np.float32)


def _tokens(encoding: Any, hidden: Floats) -> Tokens:
    kept = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    ids = np.array(encoding.ids, np.int64)[kept]
    return Tokens(ids, [encoding.offsets[i] for i in kept], hidden[kept])


def _gelu(x: Floats) -> Floats:
    from scipy.special import erf

    return np.asarray(0.5 * x * (1.0 + erf(x * np.float32(0.7071067811865476))), np.float32)


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
