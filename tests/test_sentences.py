"""How sentences fit a question, from the codes that ranking keeps."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from rag import Chatbot, Settings
from rag._sentences import fits
from rag.chunking import sentences
from rag.rank import max_sim
from rag.types import Paper

SETTINGS = {"embedding": {"name": "hashing"}, "store": {"name": "memory"}}
LONG = " ".join(f"Kestrel number {n} keeps {n} edges of the graph on disk." for n in range(60))


@pytest.fixture
def bot(tmp_path):
    papers = tmp_path / "papers.jsonl"
    abstracts = {
        "Kestrel": "It lies on disk. Penguins breed in winter. Who knows?",
        "Lapwing": LONG,
        "Of": "The and of it.",
    }
    papers.write_text(
        "".join(f'{{"title": "{t}", "abstract": "{a}"}}\n' for t, a in abstracts.items())
    )
    with Chatbot.open(tmp_path / "home", Settings.model_validate(SETTINGS)) as bot:
        bot.ingest(papers)
        yield bot


def hits(bot):
    return bot.search("Kestrel Lapwing of disk", 3)


def test_each_sentence_has_one_and_the_best_is_the_one_that_speaks_of_it(bot):
    found = bot._collection.fits("penguins in winter", hits(bot))
    for hit, fit in zip(hits(bot), found, strict=True):
        assert len(fit) == len(sentences(hit.paper.abstract))
        if hit.paper.title == "Kestrel":
            assert int(fit.argmax()) == 1


def test_it_is_the_mean_best_match_of_the_words(bot):
    collection = bot._collection
    asked = collection.question("graph on disk")
    hit = next(h for h in hits(bot) if h.paper.title == "Kestrel")
    codes = collection.embedder.embed_with_tokens(["It lies on disk."])[1][0]
    expected = max_sim(asked.tokens, np.ones(len(asked.tokens), np.float32), codes)
    assert collection.fits("graph on disk", [hit])[0][0] == pytest.approx(expected, abs=1e-5)


def test_nothing_is_embedded_that_an_ingest_has_embedded(bot, monkeypatch):
    collection = bot._collection
    found = hits(bot)
    before = collection.fits("graph on disk", found)

    def refuse(text):
        raise AssertionError("embedded again")

    monkeypatch.setattr(type(collection), "_codes", property(lambda self: refuse))
    for one, other in zip(before, collection.fits("graph on disk", found), strict=True):
        assert np.array_equal(one, other)


def test_codes_that_are_not_kept_are_made(bot):
    collection = bot._collection
    made = cache(lambda text: collection.embedder.embed_with_tokens([text])[1][0])
    asked, found = collection.question("graph on disk"), hits(bot)

    class Empty:
        def cached_codes(self, hashes, key):
            return {}

    again = fits(asked, found, collection.embedder, Empty(), size=1000, make=made)
    for one, other in zip(collection.fits("graph on disk", found), again, strict=True):
        assert np.allclose(one, other)


def test_an_embedder_without_words_gives_cosines(bot, monkeypatch):
    monkeypatch.setattr(type(bot._collection.embedder), "has_tokens", False)
    found = bot._collection.fits("penguins in winter", hits(bot))
    kestrel = next(f for h, f in zip(hits(bot), found, strict=True) if h.paper.title == "Kestrel")
    assert int(kestrel.argmax()) == 1


def test_a_paper_without_an_abstract_has_no_sentences(bot):
    from dataclasses import replace

    empty = replace(hits(bot)[0], paper=Paper("Kestrel", "", id="x"))
    assert [len(f) for f in bot._collection.fits("disk", [empty])] == [0]
