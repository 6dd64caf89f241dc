from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chatbot import Chatbot
from tests.conftest import make_papers
from tests.ui.conftest import make_bot
from ui import map as plan
from ui.words import words


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_boxes_fill_the_square_and_are_as_large_as_their_sizes(sizes: list[int]) -> None:
    sizes.sort(reverse=True)
    boxes = plan.squarify(sizes)
    areas = [width * height for _, _, width, height in boxes]
    assert sum(areas) == pytest.approx(10_000)
    assert areas == pytest.approx([10_000 * size / sum(sizes) for size in sizes])
    for left, top, width, height in boxes:
        assert left >= -1e-6 and top >= -1e-6
        assert left + width <= 100 + 1e-6 and top + height <= 100 + 1e-6


def test_boxes_do_not_overlap() -> None:
    boxes = plan.squarify([30, 20, 20, 10, 10, 5, 5])
    for number, (x, y, w, h) in enumerate(boxes):
        for a, b, c, d in boxes[number + 1 :]:
            apart = x + w <= a + 1e-9 or a + c <= x + 1e-9 or y + h <= b + 1e-9 or b + d <= y + 1e-9
            assert apart


def test_what_lies_together_is_one_topic_and_the_same_every_time() -> None:
    rng = np.random.default_rng(1)
    centres = np.eye(3, 16, dtype=np.float32)
    vectors = np.repeat(centres, 20, axis=0) + rng.normal(0, 0.05, (60, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = plan.cluster(vectors, 3)
    assert len({tuple(np.unique(labels[i : i + 20])) for i in (0, 20, 40)}) == 3
    assert np.array_equal(labels, plan.cluster(vectors, 3))
    places = plan.spread(vectors, labels)
    assert places.min() >= 0 and places.max() <= 1 and np.isfinite(places).all()


def test_a_topic_is_named_by_what_sets_it_apart() -> None:
    papers = make_papers(4)
    names = {word for paper in papers for word in words(paper.abstract)}
    assert "the" not in names and "of" not in names
    assert words("The State-of-the-Art graphs, 12 graphs") == ["graphs", "graphs"]


def test_the_map_shows_every_paper_and_follows_the_collection(bot: Chatbot, tmp_path: Path) -> None:
    before = plan.drawn(bot)
    assert before.count('class="dot"') == 3 and "SPANN: Search on disk" in before
    dots = before.partition('class="scatter"')[2].partition("<h3>")[0]
    assert dots.count('href="https://example.org/') == 2 and dots.count('href="#topic-') == 1
    bot.delete("fold")
    assert "at least three" in plan.drawn(bot)


def test_an_empty_collection_has_no_map(tmp_path: Path) -> None:
    with make_bot(tmp_path / "home", make_papers(2)) as bot:
        assert "at least three" in plan.drawn(bot)


@pytest.mark.soak
def test_five_thousand_papers_take_less_than_ten_seconds(tmp_path: Path) -> None:
    with make_bot(tmp_path / "home", make_papers(5000)) as bot:
        started = time.perf_counter()
        html = plan.drawn(bot)
        assert time.perf_counter() - started < 10
    assert html.count('class="dot"') == 2500
