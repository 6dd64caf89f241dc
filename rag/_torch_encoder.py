"""A sentence-transformers model in torch: vectors, and word pieces from the same forward pass."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._codes import Tokens

Floats = NDArray[np.float32]


class TorchEncoder:
    """What `NumpyBert` is to a question, for many texts, any model and any device."""

    def __init__(self, model: Any, batch_size: int) -> None:
        self._model = model
        self._batch_size = batch_size

    def vocabulary(self) -> tuple[dict[str, int], list[int]]:
        """The ids of all word pieces, and those of the special ones."""
        return self._model.tokenizer.get_vocab(), list(self._model.tokenizer.all_special_ids)

    def embed(self, texts: Sequence[str]) -> Floats:
        """One unit vector a text, shape (len(texts), dimension)."""
        vectors = self._model.encode(
            list(texts),
            batch_size=self._batch_size,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        if not len(vectors):
            return np.zeros((0, self._model.get_embedding_dimension() or 0), np.float32)
        return np.asarray(vectors, np.float32)

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Floats, list[Tokens]]]:
        """Rows of `texts`, their unit vectors, and their word pieces."""
        import torch

        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        self._model.eval()
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            with torch.inference_mode():
                yield rows, *self._forward([texts[i] for i in rows])

    def pieces(self, texts: Sequence[str]) -> list[Tokens]:
        """The word pieces of each text, without a pass."""
        if not texts:
            return []
        read = self._read(list(texts))
        kept = read["special_tokens_mask"] == 0
        return [
            Tokens(
                ids[k].numpy(),
                list(map(tuple, spans[k].tolist())),
                np.zeros((int(k.sum()), 0), np.float32),
            )
            for ids, spans, k in zip(read["input_ids"], read["offset_mapping"], kept, strict=True)
        ]

    def _read(self, texts: list[str]) -> Any:
        return self._model.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self._model.max_seq_length,
            return_tensors="pt",
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )

    def _forward(self, texts: list[str]) -> tuple[Floats, list[Tokens]]:
        import torch

        model = self._model
        read = self._read(texts)
        spans, framing = read.pop("offset_mapping"), read.pop("special_tokens_mask")
        out = model({name: value.to(model.device) for name, value in read.items()})
        unit = torch.nn.functional.normalize(out["sentence_embedding"].float(), dim=1)
        hidden = out["token_embeddings"].float().cpu().numpy()
        tokens = [
            Tokens(ids[kept].numpy(), list(map(tuple, span[kept].tolist())), states[kept.numpy()])
            for ids, span, kept, states in zip(
                read["input_ids"], spans, framing == 0, hidden, strict=True
            )
        ]
        return unit.cpu().numpy(), tokens


def pools_by_mean(model: Any) -> bool:
    """Whether a text's vector is the mean of its word pieces, so that they live in one space."""
    kinds = [type(module).__name__ for module in model]
    return (
        kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        and model[1].pooling_mode == "mean"
        and model[1].include_prompt
        and bool(getattr(model.tokenizer, "is_fast", False))
    )


def best_device() -> str:
    with environment_kept():
        import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def environment_kept() -> Iterator[None]:
    """Torch leaves variables of its own behind when it is imported: not ours to set."""
    before = set(os.environ)
    yield
    for name in set(os.environ) - before:
        os.environ.pop(name)
