import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources import clean
from rag.sources._text import is_rubbish


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("  two\t words \n", "two words"),
        ("a\u2028b\u00a0c\x85d", "a b c d"),
        ("e\u0301tude", "\u00e9tude"),
        ("n\x00u\x07l", "nul"),
        ("zero\u200bwidth\ufeff \u2060join", "zerowidth join"),
        ("\u202eright to left\u202c \u2066isolated\u2069", "right to left isolated"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("tagged\U000e0041\U000e0042", "tagged"),
        ("kept: \u03b2-amyloid \u4e2d\u6587 \U0001f9ea \ufffd", "kept: β-amyloid 中文 🧪 \ufffd"),
        ("e\u200b\u0301", "\u00e9"),
    ],
)
def test_clean(dirty, tidy):
    assert clean(dirty) == tidy


@given(st.text(st.characters(codec=None)))
def test_clean_is_idempotent(text):
    assert clean(clean(text)) == clean(text)


@given(st.text(st.sampled_from("a \n\u0301\u0344\u0323\u200d\u0f71\u2500"), min_size=30))
def test_clean_is_idempotent_on_piles_of_marks(text):
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_be_stored_on_one_line(text):
    tidy = clean(text)
    tidy.encode()
    assert tidy == tidy.strip()
    assert "  " not in tidy
    assert not {unicodedata.category(c) for c in tidy} & {"Cc", "Cs", "Zl", "Zp"}


def test_piles_of_marks_do_not_take_quadratic_time():
    started = time.perf_counter()
    assert len(clean("a" + "\u0f71\u0f72" * 100_000)) < 100
    assert time.perf_counter() - started < 2


def test_rules_of_symbols_stay_whole():
    assert clean("\u2500" * 80) == "\u2500" * 80


def test_rubbish():
    assert is_rubbish("\ufffd\ufffda\ufffd b")
    assert not is_rubbish("na\ufffdve approaches to caf\ufffd culture")
    assert not is_rubbish("")
