"""Token codes: what late interaction keeps of a text, one bit a dimension for each content token.

MaxSim over token vectors (Khattab and Zaharia, ColBERT, SIGIR 2020) wants a vector for each word
piece of each abstract. Here only its signs are kept: 48 bytes a token for 384 dimensions. Pieces
that tell no abstract from another (stop words, punctuation, special tokens) are not kept at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.lexical import STOP_WORDS

CODES_VERSION = "1"  # part of any key that codes are cached under: raise it when others come out
Codes = NDArray[np.uint8]
Spans = list[tuple[int, int]]
# WordPiece marks what continues a word; SentencePiece and byte-level BPE mark what begins one.
_CONTINUES, _BEGINS = "##", ("▁", "Ġ")


def codes_key(fingerprint: str) -> str:
    """By which the codes of a model are cached: other codes of the same model are others."""
    return f"{fingerprint}/codes-{CODES_VERSION}"


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What an encoder makes of a question: its vector, shape (d,), and those of its word pieces.

    `tokens`: unit last hidden states, shape (t, d), and where each is in the text (`spans`).
    Special tokens are left out, stop words are not.
    """

    vector: NDArray[np.float32]
    tokens: NDArray[np.float32]
    spans: Spans


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """The word pieces of one text, without those that only frame it.

    `hidden`: their last hidden states, shape (t, dimension), (t, 0) where only the pieces were
    wanted; `spans`: their characters.
    """

    ids: NDArray[np.int64]
    spans: Spans
    hidden: NDArray[np.float32]

    def after(self, start: int) -> Tokens:
        """The pieces from character `start` on, counted from there: what follows a prompt."""
        if not start:
            return self
        kept = [i for i, (_, end) in enumerate(self.spans) if end > start]
        spans = [(max(self.spans[i][0] - start, 0), self.spans[i][1] - start) for i in kept]
        return Tokens(self.ids[kept], spans, self.hidden[kept])


def content_pieces(vocabulary: Mapping[str, int], special: Collection[int]) -> NDArray[np.bool_]:
    """By id of a word piece, whether it is kept."""
    mark = max((_CONTINUES, *_BEGINS), key=lambda m: sum(p.startswith(m) for p in vocabulary))
    content = np.zeros(max(vocabulary.values()) + 1, bool)
    for piece, number in vocabulary.items():
        content[number] = _has_content(piece, mark)
    content[list(special)] = False
    return content


def pack(tokens: Tokens, content: NDArray[np.bool_]) -> Codes:
    """The codes of the pieces that are content, shape (kept, dimension / 8), uint8."""
    return np.packbits(tokens.hidden[content[tokens.ids]] > 0, axis=1)


def content_spans(tokens: Tokens, content: NDArray[np.bool_]) -> Spans:
    """The characters that each of the codes of `pack` stands for."""
    return [tokens.spans[i] for i in np.flatnonzero(content[tokens.ids])]


def unit_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.maximum(lengths, 1e-12), np.float32)


def _has_content(piece: str, mark: str) -> bool:
    """'the' is a stop word, the 'the' of 'ba-the' is not one."""
    word = piece.removeprefix(mark)
    begins = piece.startswith(mark) is (mark != _CONTINUES)
    return any(map(str.isalnum, word)) and not (begins and word.lower() in STOP_WORDS)
