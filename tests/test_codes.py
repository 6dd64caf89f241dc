from __future__ import annotations

import numpy as np
import pytest

from rag._codes import Tokens, content_pieces, pack, unit_rows


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (["[CLS]", "the", "##the", "cat", "##s", "-", "##.", "3", "β"], [2, 3, 4, 7, 8]),
        (["<s>", "▁the", "the", "▁The", "▁cat", "▁", "▁.", "s"], [2, 4, 7]),
        (["<s>", "Ġthe", "the", "ĠThe", "Ġcat", "Ġ(", "!", "s"], [2, 4, 7]),
    ],
)
def test_content_by_the_marks_of_each_kind_of_tokenizer(pieces: list[str], kept: list[int]) -> None:
    content = content_pieces({piece: i for i, piece in enumerate(pieces)}, [0])
    assert np.flatnonzero(content).tolist() == kept


def test_what_follows_a_prompt() -> None:
    tokens = Tokens(
        np.arange(4), [(0, 5), (5, 6), (6, 9), (9, 12)], np.eye(4, 8, dtype=np.float32) - 0.5
    )
    said = tokens.after(7)  # the blank before a word may belong to its piece
    assert said.ids.tolist() == [2, 3]
    assert said.spans == [(0, 2), (2, 5)]
    assert np.array_equal(said.hidden, tokens.hidden[2:])


def test_a_code_is_the_signs() -> None:
    hidden = np.array([[1, -1, 0, 2, -3, 4, 5, -6], [1] * 8, [-1] * 8], np.float32)
    codes = pack(Tokens(np.array([0, 1, 0]), [], hidden), np.array([True, False]))
    assert codes.tolist() == [[0b10010110], [0]]
    assert unit_rows(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]
