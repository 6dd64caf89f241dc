from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import _sentences, refuse
from rag.chunking import sentences
from rag.config import EmbeddingSettings
from rag.embedding import HashingEmbedder, make_embedder
from rag.lexical import LexicalIndex
from rag.types import Chunk, Hit, Paper

EMBED = HashingEmbedder().embed
PAPERS = [
    Paper(
        "Kestrel: a graph index that lives on disk",
        "Kestrel keeps the edges of its graph on disk. It answers 4,000 queries per second.",
        id="kestrel",
        url="https://example.org/kestrel",
    ),
    Paper(
        "Lapwing: late interaction with short vectors",
        "Lapwing shortens the vectors of words to 32 dimensions. Its index is small.",
        id="lapwing",
    ),
]
LEXICON = LexicalIndex.build([p.id for p in PAPERS], [f"{p.title} {p.abstract}" for p in PAPERS])


def hit(rank_: int, paper: Paper, dense: float | None = 0.7) -> Hit:
    chunk = Chunk(f"{paper.id}#0", paper.id, paper.abstract, 0, len(paper.abstract))
    return Hit(rank_, 1 / rank_, paper, chunk, dense)


HITS = [hit(rank_, paper) for rank_, paper in enumerate(PAPERS, start=1)]


def features(question: str, hits=HITS) -> dict[str, float]:
    return refuse.features(question, hits, fits(question, hits), LEXICON)


def fits(question: str, hits) -> list[np.ndarray]:
    """Cosines of hashed words."""
    cut = [sentences(h.paper.abstract) for h in hits]
    return [EMBED(part) @ EMBED([question])[0] if part else np.zeros(0) for part in cut]


_WORDS = st.sampled_from(
    "How many What which who Kestrel LAPWING GPT-4 the is of graph disk penguins 12 ? ... é".split()
)
QUESTIONS = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(categories=["Cs", "Lu", "Nd", "Zs"]), max_size=20),
    st.lists(_WORDS, max_size=12).map(" ".join),
)
_ABSTRACTS = st.one_of(st.text(max_size=80), st.sampled_from(["", " ", "?", "One. Two 2. Three!"]))


@settings(max_examples=200, deadline=None)
@given(QUESTIONS, st.lists(_ABSTRACTS, min_size=1, max_size=7), st.sampled_from([None, -1.0, 1.0]))
def test_features_and_probability_stay_in_range_for_any_text(question, abstracts, dense):
    hits = [
        hit(n, Paper(text[:9], text, id=f"p{n}"), dense)
        for n, text in enumerate(abstracts, start=1)
    ]
    found = features(question, hits)
    for name, value in found.items():
        assert (-1.0 if name == "fit" else 0.0) - 1e-6 <= value <= 1.0 + 1e-6, name
    assert 0.0 <= refuse.probability(found) <= 1.0


@settings(max_examples=100, deadline=None)
@given(QUESTIONS)
def test_a_threshold_of_nothing_never_refuses_and_one_of_all_always_does(question):
    found = features(question)
    assert refuse.refusal(question, HITS, found, LEXICON, threshold=0.0) is None
    refused = refuse.refusal(question, HITS, found, LEXICON, threshold=1.0)
    assert refused is not None
    assert refused.kind in ("not_in_collection", "not_stated")
    assert (refused.paper_id == "kestrel") == (refused.kind == "not_stated")
    assert refused.message


def test_every_feature_has_its_weight():
    assert refuse.probability(dict.fromkeys(features("What is Kestrel?"), 0.0)) < 1.0


def test_extreme_features_give_a_probability_still():
    for value in (-1e9, 1e9):
        found = dict.fromkeys(features("What is Kestrel?"), value)
        assert 0.0 <= refuse.probability(found) <= 1.0


def test_more_that_speaks_for_an_answer_gives_a_higher_probability():
    found = features("What lives on disk?")
    assert refuse.probability({**found, "fit": 0.6}) > refuse.probability({**found, "fit": 0.2})
    for name in ("far", *refuse.FEATURES[4:]):
        with_it, without = ({**found, name: value} for value in (1.0, 0.0))
        assert refuse.probability(with_it) < refuse.probability(without), name


def test_a_name_that_is_nowhere_is_noticed():
    assert features("How large is ZEBRA9 on disk?")["name_missing"] == 1.0
    assert features("How large is the index of a graph?")["name_missing"] == 0.0


def test_a_number_asked_for_is_looked_for():
    assert features("How many queries per second does Kestrel answer?")["number_missing"] == 0.0
    assert features("How many edges does Kestrel keep?")["number_missing"] >= 0.5
    small = [hit(1, Paper("Plover", "Plover is small. It is quick.", id="plover"))]
    assert features("How many layers does Plover have?", small)["number_missing"] == 1.0
    assert features("Is Plover small?", small)["number_missing"] == 0.0


def test_the_paper_that_lacks_the_detail_is_named_and_linked():
    refused = refuse.not_stated(HITS[0])
    assert (refused.kind, refused.paper_id) == ("not_stated", "kestrel")
    assert PAPERS[0].title in refused.message
    assert "https://example.org/kestrel" in refused.message
    assert "None" not in refuse.not_stated(HITS[1]).message


def test_the_nearest_are_the_first_few():
    assert [n.paper_id for n in refuse.nearest(HITS)] == ["kestrel", "lapwing"]
    assert [n.paper_id for n in refuse.nearest(HITS, 1)] == ["kestrel"]
    assert refuse.nearest([]) == ()


def test_what_is_far_away_is_not_listed_as_near():
    scores = (0.9, refuse.NEAR, refuse.NEAR - 0.01, 0.06)
    hits = [replace(HITS[0], rank=n, score=s) for n, s in enumerate(scores, 1)]
    assert [n.score for n in refuse.nearest(hits)] == [0.9, refuse.NEAR]
    assert refuse.nearest([replace(HITS[0], score=0.06)], named="kestrel")


# From here on with the real model and the sample papers.


@pytest.fixture(scope="module")
def ask(sample_home):
    """Question -> (hits, refusal); without ranking."""
    retriever, lexicon = sample_home.retriever(), sample_home.index().lexical
    embedder, library = make_embedder(EmbeddingSettings()), sample_home.library()

    @cache
    def codes(text):
        return embedder.embed_with_tokens([text])[1][0]

    def asked(question):
        read = embedder.embed_question(question)
        hits = retriever.search(question, read.vector, 8)
        fit = _sentences.fits(read, hits[: refuse.READ], embedder, library, size=1000, make=codes)
        found = refuse.features(question, hits, fit, lexicon)
        return hits, refuse.refusal(question, hits, found, lexicon)

    return asked


@pytest.mark.parametrize(
    "question",
    [
        "What is the best recipe for sourdough bread?",
        "Who won the football world cup of 1998?",
        "How deep do emperor penguins dive?",
        "zxqv wvut qqqq",
    ],
)
def test_a_question_far_away_is_not_in_the_collection(ask, question):
    hits, refused = ask(question)
    assert refused is not None
    assert (refused.kind, refused.paper_id) == ("not_in_collection", None)
    assert refuse.nearest(hits) == ()
    assert refused.message == "Nothing in this collection is near that."


def test_a_question_that_just_misses_lists_what_is_near(ask):
    hits, refused = ask("How does DETR match predicted boxes to ground truth?")
    assert refused.kind == "not_in_collection"
    assert "nearest papers are listed" in refused.message
    assert 0 < len(refuse.nearest(hits)) <= 5


@pytest.fixture(scope="module")
def named(sample_home):
    """Coined names that open the title of one paper, with that paper."""
    library = sample_home.library()
    heads = [(p.title.partition(":")[0], p) for p in library.papers() if ":" in p.title]
    library.close()
    return [(h, p) for h, p in heads if h.isalnum() and sum(c.isupper() for c in h) > 1][:3]


def test_a_detail_asked_by_name_is_not_stated_by_that_paper(ask, named):
    assert len(named) == 3
    for name, paper in named:
        _, refused = ask(f"Which university funded the electricity of {name} and how many dollars?")
        assert refused is not None, name
        assert (refused.kind, refused.paper_id) == ("not_stated", paper.id)


def test_a_question_that_an_abstract_answers_is_not_refused(ask, named):
    for name, paper in named:
        hits, refused = ask(f"What is {name}?")
        assert hits[0].paper.id == paper.id
        assert refused is None, name


QUESTION = "How many queries per second does Kestrel answer?"


@pytest.mark.parametrize("question", [QUESTION, "Why?"])
def test_what_was_read_to_answer_speaks_for_an_answer(question):
    found = features(question)
    of = [refuse.probability(refuse.read(found, x)) for x in (-np.inf, -2.0, 0.0, 2.0, np.inf)]
    assert of == sorted(of)
    assert of[0] < of[-1]


def test_no_more_is_read_than_it_takes():
    found, read = features(QUESTION), []

    def odds(*values: float):
        for value in values:
            read.append(value)
            yield value

    between = refuse.probability(refuse.read(found, 0.0))
    for values, expected, refused in (
        ((1.0, 2.0), [1.0], False),
        ((-1.0, 1.0, 2.0), [-1.0, 1.0], False),
        ((-1.0, -2.0, -0.5), [-1.0, -2.0, -0.5], True),
        ((), [], True),
    ):
        read.clear()
        found_refusal = refuse.refusal(
            QUESTION, HITS, found, LEXICON, odds=odds(*values), threshold=between
        )
        assert (found_refusal is not None) is refused
        assert read == expected
    read.clear()
    assert refuse.refusal(QUESTION, HITS, found, LEXICON, odds=odds(1.0), threshold=0.0) is None
    assert read == []
