"""What a draft becomes: sentences with verdicts, and footnotes that quote the abstract."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag._drafts import split_draft
from rag.chunking import sentences
from rag.cite import cite, render
from rag.embedding import HashingEmbedder
from rag.ground import EmbeddingGrounder, LexicalGrounder
from rag.types import Chunk, Hit, Paper, Sentence

KESTREL = Paper(
    "Kestrel: a graph index that lives on disk",
    "Graph indexes outgrow the memory of one machine. Kestrel keeps the edges of its graph on "
    "disk and only the entry points in memory. It answers 4,000 queries per second with 16 GB of "
    "memory. The code is available online.",
    id="kestrel",
    authors=("A. Falcon", "B. Hobby"),
    year=2023,
    venue="Birds of Data",
    url="https://example.org/kestrel",
)
LAPWING = Paper(
    "Lapwing: late interaction with short vectors",
    "Late interaction compares every word of a question with every word of a document. Lapwing "
    "shortens these vectors to 32 dimensions. Its index is 8 times smaller than that of a "
    "comparable system, at p < .05 on every test set. Similarities lie in [0, 1] by construction.",
    id="lapwing",
)
HERON = Paper(
    "Heron reads sentences twice",
    "Rerankers read a question together with a document. Heron reads each sentence a second time "
    "when the first reading was unsure. That costs 12 ms for each document.",
    id="heron",
)


def hit(rank: int, paper: Paper) -> Hit:
    chunk = Chunk(f"{paper.id}#0", paper.id, paper.abstract, 0, len(paper.abstract))
    return Hit(rank, 1 / rank, paper, chunk)


HITS = [hit(rank, paper) for rank, paper in enumerate((KESTREL, LAPWING, HERON), start=1)]
BY_ID = {h.paper.id: h.paper for h in HITS}
GROUNDER = LexicalGrounder()
DISK = sentences(KESTREL.abstract)[1]
MEMORY = sentences(KESTREL.abstract)[2]
SHORT = sentences(LAPWING.abstract)[1]
SMALLER = sentences(LAPWING.abstract)[2]
UNIT = sentences(LAPWING.abstract)[3]
TWICE = sentences(HERON.abstract)[1]


def split(draft: str, sources: int = 3) -> list[tuple[str, tuple[int, ...]]]:
    return [(w.text, w.sources) for w in split_draft(draft, sources)]


@pytest.mark.parametrize(
    "draft",
    [
        "Lists lie on disk [1, 2].",
        "Lists lie on disk [1][2].",
        "Lists lie on disk [1] [2].",
        "Lists lie on disk [1;2].",
        "Lists lie on disk [^1][^2].",
        "Lists lie on disk [^1, ^2].",
        "Lists lie on disk 【1】【2】.",
        "Lists lie on disk 【1†source】【2:0†source】.",
        "Lists lie on disk (Source 1) (source 2).",
        "Lists lie on disk (Sources 1 and 2).",
        "Lists lie on disk [Source 1, Source 2].",
        "Lists lie on disk [sources 1 & 2].",
        "Lists lie on disk [1-2].",
        "Lists lie on disk [1–2].",
        "Lists lie on disk[1][2].",
        "Lists lie on disk [1] , [2] .",
        "Lists lie on disk.[1][2]",
        "Lists lie on disk. [1] [2]",
        "Lists lie on disk. [1, 2]",
        "Lists lie on disk.\n[1][2]",
        "Lists lie on disk.\n[1]\n[2]",
        "Lists lie on disk [1].\n\n[2].",
        "[1, 2] Lists lie on disk.",
        "- Lists lie on disk [1, 2].",
        "* Lists lie on disk. [1, 2]",
        "• Lists lie on disk [1, 2].",
        "1. Lists lie on disk [1, 2].",
        "  2) Lists lie on disk [1, 2].",
        "Lists lie on disk (1, 2).",
        "Lists lie on disk, sources 1 and 2.",
        "Lists lie on disk (see sources 1, 2).",
        "Lists lie on disk. Sources: 1, 2",
        "Lists lie on disk.\nSources 1 and 2",
        "According to source 1, lists lie on disk [2].",
        "Source 1 states that lists lie on disk (2).",
    ],
)
def test_a_marker_is_read_however_it_is_written(draft):
    text = "Lists lie on disk,." if " , " in draft else "Lists lie on disk."
    assert split(draft) == [(text, (1, 2))]


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("One is here [1]. Two is there [2].", [("One is here.", (1,)), ("Two is there.", (2,))]),
        ("One is here. [1] Two is there. [2]", [("One is here.", (1,)), ("Two is there.", (2,))]),
        ("One is here.[1] Two is there.[2]", [("One is here.", (1,)), ("Two is there.", (2,))]),
        ("[1] One is here.\n[2] Two is there.", [("One is here.", (1,)), ("Two is there.", (2,))]),
        ("- One is here [1]\n- Two is there [2]", [("One is here", (1,)), ("Two is there", (2,))]),
        ("1. One is here [1].\n2. Two is [2].", [("One is here.", (1,)), ("Two is.", (2,))]),
        ('He says "it is." [1] Two is.', [('He says "it is."', (1,)), ("Two is.", ())]),
        ("Is it so? [2] It is! [1]", [("Is it so?", (2,)), ("It is!", (1,))]),
        ("One is here.", [("One is here.", ())]),
    ],
)
def test_each_sentence_keeps_its_own_markers(draft, expected):
    assert split(draft) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Similarities lie in [0, 1] by construction.",
        "It was shown in [2021] and before.",
        "It gains at p < .05 on every set.",
        "The change is -5% at most.",
        "-5% is the change.",
        "**Kestrel** is an index.",
        "It holds f(1) = 2 and x[n].",
        "A list , with spaces , stays.",
        "It is (1) fast and (2) small.",
        "It was founded long ago (1999).",
        "It cites many a source in 3 tables.",
    ],
)
def test_what_is_no_marker_stays_as_it_was_written(text):
    assert split(f"{text} [1]") == [(text, (1,))]
    assert split(f"{text[:-1]} [1].") == [(text, (1,))]


def test_a_source_named_twice_counts_once():
    assert split(f"{DISK} [1][1]\n[1]") == [(DISK, (1,))]


def test_a_source_that_was_not_retrieved_is_dropped_and_remembered():
    for draft in (f"{DISK} [9]", f"{DISK[:-1]} [9].", f"{DISK}\n[9]", f"{DISK} [0]"):
        (written,) = split_draft(draft, 3)
        assert (written.text, written.sources, written.named_any) == (DISK, (), True)


def test_a_sentence_that_names_no_retrieved_source_is_unsupported_even_if_true():
    (sentence,), citations = cite(f"{DISK} [7]", HITS, GROUNDER)
    assert (sentence.text, sentence.citations) == (DISK, ())
    assert (sentence.verdict, sentence.score) == ("unsupported", 0.0)
    assert citations == []


def test_a_retrieved_source_beside_one_that_was_not_counts():
    (sentence,), (citation,) = cite(f"{DISK} [1, 7]", HITS, GROUNDER)
    assert (sentence.verdict, sentence.citations) == ("supported", (1,))
    assert citation.paper_id == "kestrel"


def test_a_footnote_says_all_about_its_paper_and_the_system_picks_the_quote():
    draft = "Only the entry points of Kestrel stay in memory, the edges of its graph on disk [1]."
    (sentence,), (citation,) = cite(draft, HITS, GROUNDER)
    assert sentence.verdict == "supported"
    assert citation.quote == DISK
    assert (citation.marker, citation.paper_id, citation.title) == (1, KESTREL.id, KESTREL.title)
    assert (citation.authors, citation.year) == (KESTREL.authors, KESTREL.year)
    assert (citation.venue, citation.url) == (KESTREL.venue, KESTREL.url)
    assert 0 < citation.score <= 1


@pytest.mark.parametrize("grounder", [GROUNDER, EmbeddingGrounder(HashingEmbedder().embed)])
def test_a_sentence_without_a_marker_is_matched_to_all(grounder):
    found, citations = cite(f"{TWICE} {SHORT}", HITS, grounder)
    assert [s.verdict for s in found] == ["supported"] * 2
    assert [(c.paper_id, c.quote) for c in citations] == [("heron", TWICE), ("lapwing", SHORT)]


def test_a_contradiction_without_a_marker_is_still_told_as_one():
    (sentence,), (citation,) = cite(MEMORY.replace("16 GB", "64 GB"), HITS, GROUNDER)
    assert sentence.verdict == "contradicted"
    assert (citation.paper_id, citation.quote) == ("kestrel", MEMORY)


@pytest.mark.parametrize("marker", ["[1]", "[3]", "[1][3]"])
def test_the_wrong_source_is_put_right(marker):
    (sentence,), (citation,) = cite(f"{SMALLER} {marker}", HITS, GROUNDER)
    assert (sentence.verdict, sentence.citations) == ("supported", (1,))
    assert (citation.paper_id, citation.quote) == ("lapwing", SMALLER)


def test_a_source_that_only_nearly_says_it_gives_way_to_one_that_does():
    near = Paper("Kestrel, revisited", f"Some say otherwise. {MEMORY[:-1]} and a GPU.", id="near")
    (sentence,), (citation,) = cite(
        f"{MEMORY} [1]", [hit(1, near), hit(2, KESTREL)], _Stern(near.abstract)
    )
    assert (sentence.verdict, citation.paper_id) == ("supported", "kestrel")


class _Stern(LexicalGrounder):
    """Takes nothing from one abstract for more than partial."""

    def __init__(self, abstract: str) -> None:
        super().__init__()
        self._part = sentences(abstract)

    def judge(self, claim, evidence, contexts=()):
        judged = super().judge(claim, evidence, contexts)
        if list(evidence) != self._part:
            return judged
        return type(judged)("partial", 0.3, len(evidence) - 1)


def test_a_right_source_is_kept_though_another_was_named_wrongly_beside_it():
    (sentence,), citations = cite(f"{SHORT} [1][2][3]", HITS, GROUNDER)
    assert sentence.citations == (1,)
    assert [c.paper_id for c in citations] == ["lapwing"]


def test_an_invented_sentence_has_no_footnote():
    for marker in ("", " [1]", " [1, 2, 3]"):
        (sentence,), citations = cite(f"Penguins breed in winter{marker}.", HITS, GROUNDER)
        assert (sentence.verdict, sentence.citations, citations) == ("unsupported", (), [])


def test_the_same_quote_shares_one_footnote():
    found, citations = cite(f"{DISK} [1] {SHORT} [2] {DISK} [1]", HITS, GROUNDER)
    assert [s.citations for s in found] == [(1,), (2,), (1,)]
    assert [c.quote for c in citations] == [DISK, SHORT]


def test_two_quotes_of_one_paper_are_two_footnotes():
    found, citations = cite(f"{DISK} [1] {MEMORY} [1]", HITS, GROUNDER)
    assert [s.citations for s in found] == [(1,), (2,)]
    assert [(c.paper_id, c.quote) for c in citations] == [("kestrel", DISK), ("kestrel", MEMORY)]


def test_a_shared_footnote_has_the_better_score():
    loose = "Kestrel keeps only the entry points of its graph in memory [1]."
    (worse,), (before,) = cite(loose, HITS, GROUNDER)
    _, (after,) = cite(f"{loose} {DISK} [1]", HITS, GROUNDER)
    assert before.score == worse.score < after.score == 1.0


WRONG = MEMORY.replace("16 GB", "64 GB")
MIXED = f"Penguins breed in winter [3]. {SHORT} [2] {WRONG} [1] {DISK} [1]"


@pytest.mark.parametrize("policy", ["flag", "keep"])
def test_flag_and_keep_leave_everything_in_with_its_verdict(policy):
    found, citations = cite(MIXED, HITS, GROUNDER, policy)
    verdicts = ["unsupported", "supported", "contradicted", "supported"]
    assert [s.verdict for s in found] == verdicts
    assert [s.citations for s in found] == [(), (1,), (2,), (3,)]
    assert [c.quote for c in citations] == [SHORT, MEMORY, DISK]


def test_drop_leaves_out_what_is_not_held_and_numbers_the_rest_without_gaps():
    found, citations = cite(MIXED, HITS, GROUNDER, "drop")
    assert [(s.text, s.citations) for s in found] == [(SHORT, (1,)), (DISK, (2,))]
    assert [(c.marker, c.quote) for c in citations] == [(1, SHORT), (2, DISK)]


def test_drop_may_leave_nothing():
    assert cite("Penguins breed in winter [1].", HITS, GROUNDER, "drop") == ([], [])


@pytest.mark.parametrize(
    "draft", ["", " \n\t ", "[1]", "[1][2]\n[9]", "...", "- [1]\n- [2]", "\n[1].\n"]
)
def test_a_draft_without_a_sentence_gives_none(draft):
    assert cite(draft, HITS, GROUNDER) == ([], [])


def test_nothing_retrieved_supports_nothing():
    found, citations = cite(f"{DISK} [1] {SHORT}", [], GROUNDER)
    assert [s.verdict for s in found] == ["unsupported"] * 2
    assert citations == []


def test_half_a_surrogate_pair_is_no_obstacle():
    (sentence,), _ = cite(
        f"{DISK[:-1]}\ud83d [1]", HITS, EmbeddingGrounder(HashingEmbedder().embed)
    )
    assert sentence.citations


def test_the_text_carries_the_markers_of_its_sentences():
    found, _ = cite(f"{DISK} [1] Penguins breed in winter. {SHORT} [2]", HITS, GROUNDER)
    assert render(found) == f"{DISK} [1] Penguins breed in winter. {SHORT} [2]"
    assert render([]) == ""
    assert render([Sentence("Both say so.", (2, 1), "supported", 1.0)]) == "Both say so. [2][1]"


def test_lines_without_a_full_stop_stay_apart():
    found, _ = cite(f"- {DISK[:-1]} [1]\n- {SHORT[:-1]} [2]\n- {TWICE[:-1]}", HITS, GROUNDER)
    assert [text for text, _ in split(render(found))] == [DISK[:-1], SHORT[:-1], TWICE[:-1]]


# Drafts are made of true sentences, torn ones, noise, and markers of every kind.
_TRUE = [s for h in HITS for s in sentences(h.paper.abstract)]
_MARKERS = ["[1]", "[2]", "[3]", "[4]", "[1, 2]", "[^3]", "【2】", "(Source 1)", "[0]", "[1-3]"]
_NOISE = [".", "\n", "- ", "1. ", '"', "[", "]", "【", "No.", "e.g.", "Penguins breed in winter."]
_TORN = st.builds(lambda s, a, b: s[a : a + b], st.sampled_from(_TRUE), *[st.integers(0, 80)] * 2)
PIECES = st.one_of(
    st.sampled_from(_TRUE), st.sampled_from(_MARKERS), st.sampled_from(_NOISE), _TORN,
    st.text(max_size=8),
)  # fmt: skip
DRAFTS = st.builds(str.join, st.sampled_from(["", " ", "\n"]), st.lists(PIECES, max_size=12))
POLICIES = st.sampled_from(["flag", "drop", "keep"])


@settings(max_examples=150, deadline=None)
@given(DRAFTS, POLICIES, st.integers(0, 3))
def test_whatever_is_written_quotes_are_exact_and_numbers_have_no_gap(draft, policy, known):
    found, citations = cite(draft, HITS[:known], GROUNDER, policy)
    for citation in citations:
        abstract = BY_ID[citation.paper_id].abstract
        assert abstract[citation.start : citation.end] == citation.quote != ""
    assert [c.marker for c in citations] == list(range(1, len(citations) + 1))
    order = list(dict.fromkeys(marker for s in found for marker in s.citations))
    assert order == [c.marker for c in citations]
    for sentence in found:
        assert sentence.text == sentence.text.strip() != ""
        assert 0.0 <= sentence.score <= 1.0
        assert len(set(sentence.citations)) == len(sentence.citations)
        assert bool(sentence.citations) == (sentence.verdict != "unsupported")
        assert policy != "drop" or sentence.verdict in ("supported", "partial")


@settings(max_examples=100, deadline=None)
@given(DRAFTS)
def test_dropping_only_leaves_out(draft):
    every = cite(draft, HITS, GROUNDER, "keep")[0]
    kept = [s for s in every if s.verdict in ("supported", "partial")]
    dropped = cite(draft, HITS, GROUNDER, "drop")[0]
    assert [s.verdict for s in dropped] == [s.verdict for s in kept]
    for left, whole in zip(dropped, kept, strict=True):  # a word that linked them goes, too
        assert whole.text.lower().endswith(left.text.lower())


_PLAIN = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(_TRUE),
            st.sampled_from(_TRUE).map(lambda s: s.rstrip(".")),
            st.sampled_from(["It helps et al.", "See Fig.", "and so on", "Is it?", "Yes!", "x[n]"]),
        ),
        st.lists(st.integers(1, 3), max_size=2, unique=True).map(tuple),
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(_PLAIN)
def test_a_rendered_answer_reads_back_as_the_same_sentences(written):
    found = [Sentence(text, markers, "supported", 1.0) for text, markers in written]
    assert split(render(found)) == written


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_TRUE), st.sampled_from(_MARKERS)), max_size=8))
def test_rendering_what_was_cited_reads_back(pairs):
    found, _ = cite(" ".join(f"{s} {m}" for s, m in pairs), HITS, GROUNDER)
    assert [text for text, _ in split(render(found), 99)] == [s.text for s in found]


def test_five_thousand_sentences_take_seconds():
    draft = " ".join(f"Kestrel answers {n} queries per second. [1]" for n in range(5_000))
    start = time.perf_counter()
    found, citations = cite(draft, HITS, GROUNDER)
    assert time.perf_counter() - start < 20
    assert len(found) == 5_000
    assert len(citations) <= 4


@pytest.mark.parametrize(
    "piece", [".", " ", "[1", "[1,", ".【1", "【1", "(source ", "[1]", "1. ", "\n"]
)
def test_a_draft_of_nothing_but_noise_takes_linear_time(piece):
    start = time.perf_counter()
    split_draft(piece * 20_000, 3)
    assert time.perf_counter() - start < 2


def test_texts_of_sentences_stay_in_the_order_they_were_written():
    found, _ = cite(" ".join(f"{text} [1]" for text in _TRUE), HITS, GROUNDER)
    places = [_TRUE.index(s.text) for s in found]
    assert all(a < b for a, b in pairwise(places))


# --- what is left out, and who says otherwise


def test_what_is_left_after_dropping_reads_on_its_own():
    draft = f"Penguins breed in the winter [1]. However, {DISK} [1]"
    kept, _ = cite(draft, HITS, GROUNDER, "drop")
    assert [s.text for s in kept] == [DISK]
    shown, _ = cite(draft, HITS, GROUNDER)
    assert shown[1].text == f"However, {DISK}"


SAYS = Paper("Plover", "Longer contexts improve the accuracy of rerankers on long documents.", "a")
DENIES = Paper(
    "Curlew", "Longer contexts degrade the accuracy of rerankers on long documents.", "b"
)
APART = Paper("Snipe", "Longer queries degrade the speed of indexes that live on disk.", "c")


def test_papers_that_disagree_are_shown_as_such():
    hits = [hit(rank, paper) for rank, paper in enumerate((SAYS, DENIES, APART), 1)]
    (sentence,), notes = cite(f"{SAYS.abstract} [1]", hits, GROUNDER)
    assert (sentence.verdict, sentence.citations, sentence.against) == ("supported", (1,), (2,))
    assert [(n.paper_id, n.quote) for n in notes] == [("a", SAYS.abstract), ("b", DENIES.abstract)]
    assert render([sentence]) == f"{SAYS.abstract} [1] (but see [2])"


def test_a_sentence_may_rest_on_two_sentences_or_on_two_papers():
    both = f"{DISK[:-1]}, and the code is available online. [1]"
    (sentence,), notes = cite(both, HITS, GROUNDER)
    assert sentence.verdict in ("supported", "partial")
    assert [n.quote for n in notes] == [DISK, "The code is available online."]
    across = f"{DISK[:-1]}, while Lapwing shortens these vectors to 32 dimensions. [1][2]"
    (sentence,), notes = cite(across, HITS, GROUNDER)
    assert {n.paper_id for n in notes} == {"kestrel", "lapwing"}


def test_what_looks_like_a_marker_in_a_quote_is_the_quoted_papers():
    line = "These are (1) the heart, (2) the lung, as told before [3], and the liver. [1]"
    (quoted,) = split_draft(f"{line}\n", 3, quoted=True)
    assert quoted.sources == (1,)
    assert quoted.text == ("These are (1) the heart, (2) the lung, as told before, and the liver.")
    (numbered,) = split_draft("1) First things first. [2]\n", 3, quoted=True)
    assert (numbered.text, numbered.sources) == ("1) First things first.", (2,))


def test_a_quote_is_known_though_its_references_were_taken_out():
    stated = "The worm is common in rural areas [2, 5], where it is poor [7]."
    judged = LexicalGrounder().judge(
        "The worm is common in rural areas, where it is poor.", [stated]
    )
    assert (judged.verdict, judged.score) == ("supported", 1.0)
