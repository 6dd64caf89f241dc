"""The chatbot: what it answers, why it refuses, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from rag import Chatbot, Filters, Settings, prompt
from rag.backends.scripted import ScriptedBackend
from rag.errors import (
    BackendInterrupted,
    BackendUnreachable,
    ConfigError,
    IndexMissing,
    SourceError,
)
from rag.types import Answer
from tests.conftest import ROOT, make_papers
from tests.servers import ChatServer

SPANN = "How much memory does SPANN need?"
WORDS = "Which paper is on graph memory retrieval?"


# --- backends of a user's own, named by the settings


class MyBackend:
    model = "mine-1"

    @classmethod
    def from_settings(cls, settings, **resources):
        return cls()

    def complete(self, messages):
        yield messages[-1].sources[0].paper.abstract.split(". ")[0]
        yield ". [1]"


class Unreachable(ScriptedBackend):
    @classmethod
    def from_settings(cls, settings, **resources):
        return cls("", then=BackendUnreachable("Nobody listens. Start the server."))


class BrokenOff(ScriptedBackend):
    @classmethod
    def from_settings(cls, settings, **resources):
        return cls("Sparse things are dense [1].", then=BackendInterrupted("The line is cut."))


class Leaving:
    """Notes whether it was let go of."""

    closed = threading.Event()

    @classmethod
    def from_settings(cls, settings, **resources):
        return cls()

    def complete(self, messages):
        try:
            while True:
                yield "word "
        finally:
            self.closed.set()


def settings(**sections):
    """No model, no Chroma, and no refusal: that is calibrated for vectors that mean something."""
    plain = {
        "embedding": {"name": "hashing"},
        "store": {"name": "memory"},
        "answer": {"refuse_below": 0},
    }
    return Settings.model_validate({**plain, **sections})


def scripted(*replies):
    return {"name": "scripted", "llm_kwargs": {"replies": list(replies)}}


def named(cls):
    return {"name": f"tests.test_chatbot:{cls.__name__}"}


def write_papers(path, papers):
    with path.open("w", encoding="utf-8") as file:
        for paper in papers:
            record = {"id": paper.id, "title": paper.title, "abstract": paper.abstract}
            more = {"authors": paper.authors, "year": paper.year, "venue": paper.venue}
            file.write(json.dumps({**record, **more, "categories": paper.categories}) + "\n")
    return path


@pytest.fixture(scope="module")
def papers_file(tmp_path_factory):
    return write_papers(tmp_path_factory.mktemp("papers") / "papers.jsonl", make_papers(30))


@pytest.fixture(scope="module")
def small_home(tmp_path_factory, papers_file):
    """Thirty papers, read only."""
    path = tmp_path_factory.mktemp("small") / "home"
    with Chatbot.open(path, settings()) as bot:
        bot.ingest(papers_file)
    return path


@pytest.fixture
def small(small_home):
    with Chatbot.open(small_home, settings()) as bot:
        yield bot


@pytest.fixture
def changing(tmp_path, papers_file):
    """Thirty papers in a home of the test's own."""
    with Chatbot.open(tmp_path / "home", settings()) as bot:
        bot.ingest(papers_file)
        yield bot


@pytest.fixture(scope="module")
def sample_bot(sample_home):
    with Chatbot.open(sample_home.path, Settings()) as bot:
        yield bot


def quotes_are_exact(bot, answer):
    return all(bot.paper(c.paper_id).abstract[c.start : c.end] == c.quote for c in answer.citations)


# --- answers


def test_an_answer_on_the_sample_is_right_and_cited(sample_bot):
    answer = sample_bot.ask(SPANN)
    assert not answer.refused
    assert "32GB" in answer.text
    assert "[1]" in answer.text
    (cited,) = {c.title for c in answer.citations if "32GB" in c.quote}
    assert cited.startswith("SPANN: ")
    assert [c.marker for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    assert all(s.verdict == "supported" and s.citations for s in answer.sentences)
    assert quotes_are_exact(sample_bot, answer)
    assert answer.backend == "extractive"
    assert answer.seconds["total"] >= answer.seconds["retrieve"] > 0


def test_two_answers_to_one_question_differ_in_nothing_but_id_and_time(sample_bot):
    first, second = (sample_bot.ask(SPANN).to_dict() for _ in range(2))
    assert first.pop("id") != second.pop("id")
    assert first.pop("seconds").keys() == second.pop("seconds").keys()
    assert first == second


def test_a_question_can_be_awaited(sample_bot):
    async def both():
        return await asyncio.gather(sample_bot.aask(SPANN), sample_bot.aask(SPANN))

    first, second = asyncio.run(both())
    assert first.text == second.text == sample_bot.ask(SPANN).text


# --- refusals


def test_what_the_collection_does_not_hold_is_refused_with_the_nearest(sample_bot):
    answer = sample_bot.ask("How does DETR match predicted boxes to ground truth?")
    assert answer.refusal.kind == "not_in_collection"
    assert answer.text == answer.refusal.message
    assert (answer.sentences, answer.citations) == ((), ())
    scores = [n.score for n in answer.nearest]
    assert scores == sorted(scores, reverse=True)
    assert len({n.paper_id for n in answer.nearest}) == len(answer.nearest) > 0
    assert "are listed" in answer.text


def test_searching_and_ranking_are_timed_apart(sample_bot):
    seconds = sample_bot.ask(SPANN).seconds
    assert list(seconds)[:2] == ["retrieve", "rank"]
    stages = ("retrieve", "rank", "generate", "verify")
    assert all(seconds[stage] > 0.0 for stage in stages)
    assert sum(seconds[stage] for stage in stages) <= seconds["total"] + 0.001  # each is rounded


def test_what_nothing_is_near_to_is_refused_without_a_list(sample_bot):
    answer = sample_bot.ask("How long must sourdough bread rise before it is baked?")
    assert answer.refusal.kind == "not_in_collection"
    assert (answer.text, answer.nearest) == ("Nothing in this collection is near that.", ())


def test_an_empty_collection_says_how_to_fill_it(tmp_path):
    bot = Chatbot.open(tmp_path / "deep" / "new", settings())
    answer = bot.ask(SPANN)
    assert answer.refusal.kind == "empty_collection"
    assert "footnoted ingest" in answer.text
    with pytest.raises(IndexMissing, match="footnoted ingest"):
        bot.search(SPANN)


@pytest.mark.parametrize("reply", ["NOT IN THE SOURCES", "\n NOT IN THE SOURCES.\n", " ", "[1]"])
def test_a_model_that_finds_no_answer_refuses(small_home, reply):
    with Chatbot.open(small_home, settings(backend=scripted(reply))) as bot:
        answer = bot.ask(WORDS)
        assert answer.refusal.kind == "not_stated"
        assert bot.paper(answer.refusal.paper_id).title in answer.text
        assert answer.nearest[0].paper_id == answer.refusal.paper_id


def test_a_backend_that_fails_gives_its_reason(small_home):
    with Chatbot.open(small_home, settings(backend=named(Unreachable))) as bot:
        answer = bot.ask(WORDS)
    assert answer.refusal.kind == "backend_failed"
    assert answer.text == "Nobody listens. Start the server."
    assert not answer.truncated


@pytest.mark.parametrize("backend", [{"name": "openai", "model": "m"}, {"name": "scripted"}])
def test_a_backend_that_is_not_ready_names_the_setting(small_home, backend, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    with Chatbot.open(small_home, settings(backend=backend)) as bot:
        answer = bot.ask(WORDS)
    assert answer.refusal.kind == "backend_failed"
    assert re.search("OPENAI_API_KEY|llm_kwargs", answer.text)
    assert answer.backend == backend["name"]


# --- backends


@pytest.mark.parametrize(
    "chosen",
    [
        {"backend": named(MyBackend)},
        {
            "backend": {"name": "mine"},
            "plugins": {"backends": {"mine": "tests.test_chatbot:MyBackend"}},
        },
    ],
)
def test_a_backend_of_ones_own(small_home, chosen):
    with Chatbot.open(small_home, settings(**chosen)) as bot:
        answer = bot.ask(WORDS)
        assert [s.verdict for s in answer.sentences] == ["supported"]
        assert answer.text == f"{answer.citations[0].quote} [1]"
        assert quotes_are_exact(bot, answer)
        assert answer.model == "mine-1"


@pytest.mark.parametrize("name", ["oracle", "nowhere.at:All", "tests.test_chatbot:Missing"])
def test_a_backend_that_does_not_exist_is_an_error(small_home, name):
    with (
        Chatbot.open(small_home, settings(backend={"name": name})) as bot,
        pytest.raises(ConfigError, match=name.split(":")[-1]),
    ):
        bot.ask(WORDS)


def test_an_answer_that_broke_off_is_kept_and_marked(small_home):
    with Chatbot.open(small_home, settings(backend=named(BrokenOff))) as bot:
        answer = bot.ask(WORDS)
    assert answer.truncated
    assert not answer.refused
    assert answer.text.startswith("Sparse things are dense")


# --- streams


def test_a_stream_tells_each_step_in_order(sample_bot):
    events = list(sample_bot.stream(SPANN))
    kinds = " ".join(event.kind for event in events)
    assert re.fullmatch(r"retrieval( token)+( verdict)+ answer", kinds)
    answer = events[-1].value
    assert isinstance(answer, Answer)
    assert [e.value for e in events if e.kind == "verdict"] == list(answer.sentences)
    hits = events[0].value
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert {c.paper_id for c in answer.citations} <= {hit.paper.id for hit in hits}


def test_a_stream_that_refuses_ends_with_the_answer(sample_bot):
    events = list(sample_bot.stream("How long must sourdough bread rise?"))
    assert [event.kind for event in events] == ["retrieval", "answer"]


def test_a_stream_closed_early_lets_go_of_the_backend(small_home):
    Leaving.closed.clear()
    with Chatbot.open(small_home, settings(backend=named(Leaving))) as bot:
        with closing(bot.stream(WORDS)) as stream:
            assert next(event for event in stream if event.kind == "token")
        chosen = type(bot._writer(bot.settings))  # pytest may hold a second copy of this file
    assert chosen.closed.wait(5)


def test_a_stream_closed_while_its_server_hangs_does_not_hang(small_home):
    def hang(wire):
        wire.head()
        wire.text("One ")
        wire.wait(30)

    with ChatServer(hang) as server:
        backend = {"name": "openai", "model": "m", "base_url": server.url}
        with Chatbot.open(small_home, settings(backend=backend)) as bot:
            stream = bot.stream(WORDS)
            assert next(event for event in stream if event.kind == "token").value == "One "
            start = time.monotonic()
            stream.close()
            assert time.monotonic() - start < 2


# --- filters and history


@pytest.mark.parametrize(
    "filters",
    [
        {"year": (2020, None)},
        {"year": [2020, None]},
        Filters(year=(2020, None)),
        {"year": (2020, 2024), "venue": None},
    ],
)
def test_filters_as_a_dict_and_as_filters(small, filters):
    found = small.search("sparse graph", k=30, filters=filters)
    assert {hit.paper.year for hit in found} == {2020, 2021, 2022, 2023, 2024}
    assert all(c.year >= 2020 for c in small.ask(WORDS, filters=filters).citations)


@pytest.mark.parametrize("filters", [None, {}, Filters(), {"venue": ""}])
def test_no_filter_leaves_all(small, filters):
    assert len(small.search("sparse graph memory", k=100, filters=filters)) == 30


def test_a_filter_that_nothing_passes_is_refused(small):
    assert small.search("sparse", filters={"venue": "nowhere"}) == []
    assert small.ask(WORDS, filters={"venue": "nowhere"}).refusal.kind == "not_in_collection"


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"colour": "red"}, "'colour'.*year, venue, author, category"),
        ({"year": 2020}, "'year'.*first, last"),
        ({"year": (2020,)}, "'year'"),
        (Filters(year=("MMXX", None)), "'year'"),
        ({"author": 7}, "'author'.*text"),
    ],
)
def test_a_filter_that_is_none_is_an_error(small, tmp_path, filters, message):
    with pytest.raises(ConfigError, match=message):
        small.ask(WORDS, filters=filters)
    with pytest.raises(ConfigError, match=message):
        small.search(WORDS, filters=filters)
    with pytest.raises(ConfigError, match=message):
        Chatbot.open(tmp_path / "new", settings()).ask(WORDS, filters=filters)


@pytest.mark.parametrize(
    "history", [[SPANN], [{"question": "Hello there, who are you?"}, {"question": SPANN}]]
)
def test_a_question_that_leans_on_the_last_is_made_whole(sample_bot, history):
    answer = sample_bot.ask("And what recall does it reach?", history=history)
    assert answer.question == "And what recall does it reach?"
    assert answer.standalone_question == "what recall does SPANN reach?"
    assert answer.citations[0].title.startswith("SPANN: ")


def test_a_question_that_stands_alone_is_left_so(sample_bot):
    answer = sample_bot.ask(SPANN, history=["How large is the JFT-300M set of images?"])
    assert answer.standalone_question == SPANN


# --- the collection


def test_papers_can_be_listed_and_fetched(small):
    listed = list(small.papers())
    assert [p.id for p in listed] == [f"p{n}" for n in range(30)]
    assert small.paper("p7") == listed[7]
    assert small.paper("nobody") is None


def test_info_counts(small):
    info = small.info()
    assert (info["papers"], info["pending"], info["backend"]) == (30, False, "extractive")
    assert info["chunks"] >= 30
    assert info["disk"] > 1000
    assert sum(info["by_year"].values()) == 30
    json.dumps(info)


def test_info_of_a_new_home(tmp_path):
    info = Chatbot.open(tmp_path / "home", settings()).info()
    assert (info["papers"], info["chunks"], info["by_year"]) == (0, 0, {})


def test_a_deleted_paper_is_found_no_more(changing):
    title = changing.paper("p3").title
    assert changing.search(title, k=1)[0].paper.id == "p3"
    assert changing.delete("p3", "nobody") == 1
    assert "p3" not in {hit.paper.id for hit in changing.search(title, k=100)}
    assert changing.paper("p3") is None
    assert changing.info()["papers"] == 29
    assert changing.delete("p3") == 0


def test_a_collection_whose_last_paper_was_deleted_is_empty(changing, papers_file):
    assert changing.delete(*[paper.id for paper in changing.papers()]) == 30
    assert changing.search("sparse graph") == []
    assert changing.ask(WORDS).refusal.kind == "empty_collection"
    changing.ingest(papers_file)
    assert len(changing.search("sparse graph", k=100)) == 30


def test_a_bot_sees_what_another_has_ingested(tmp_path, papers_file):
    with Chatbot.open(tmp_path / "h", settings()) as one, Chatbot.open(one.home, settings()) as two:
        assert two.ask(WORDS).refusal.kind == "empty_collection"
        one.ingest(papers_file, limit=10)
        assert len(two.search("sparse graph memory", k=100)) == 10
        one.ingest(papers_file)
        assert len(two.search("sparse graph memory", k=100)) == 30
        assert not two.ask(WORDS).refused
        one.delete("p0")
        assert "p0" not in {hit.paper.id for hit in two.search("sparse graph memory", k=100)}


def test_one_bot_may_close_while_another_reads_the_same_index(tmp_path, papers_file):
    chroma = settings(store={"name": "chroma"})
    with Chatbot.open(tmp_path / "h", chroma) as one, Chatbot.open(one.home, chroma) as two:
        one.ingest(papers_file, limit=10)
        assert len(one.search("sparse")) == len(two.search("sparse")) == 10
        one.close()
        assert len(two.search("sparse")) == 10
        assert len(one.search("sparse")) == 10


def test_a_closed_bot_opens_again_when_it_is_asked(small):
    before = small.ask(WORDS).text
    small.close()
    small.close()
    assert small.ask(WORDS).text == before


def test_two_bots_of_different_settings_do_not_disturb_each_other(small_home, sample_bot):
    first = Chatbot.open(small_home, settings(backend=scripted("A thing [1].", "It is [2].")))
    second = Chatbot.open(small_home, settings(backend=scripted("NOT IN THE SOURCES")))
    with first, second:
        assert first.ask(WORDS).text.startswith("A thing")
        assert second.ask(WORDS).refusal.kind == "not_stated"
        assert "32GB" in sample_bot.ask(SPANN).text
        assert first.ask(WORDS).text.startswith("It is")


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_questions_are_answered_while_papers_come_and_go(tmp_path, store):
    papers = make_papers(60)
    bot = Chatbot.open(tmp_path / "home", settings(store={"name": store}))
    bot.ingest(write_papers(tmp_path / "0.jsonl", papers[:10]))
    over, problems, answered = threading.Event(), [], [0, 0]

    def ask(asker):
        while not over.is_set():
            try:
                answer = bot.ask(WORDS)
                found = bot.search("sparse graph memory", k=100)
                assert answer.citations
                assert bot.info()["disk"] > 0
                assert len({hit.paper.id for hit in found}) == len(found) >= 5
                assert all(
                    h.paper.abstract[h.chunk.start : h.chunk.end] == h.chunk.text for h in found
                )
            except BaseException as error:
                problems.append(error)
                return
            answered[asker] += 1

    askers = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
    for asker in askers:
        asker.start()
    try:
        for turn in range(1, 6):
            bot.ingest(write_papers(tmp_path / f"{turn}.jsonl", papers[turn * 10 : turn * 10 + 10]))
            bot.delete(f"p{turn}")
    finally:
        over.set()
        for asker in askers:
            asker.join()
    assert problems == []
    assert min(answered) > 0
    found = {hit.paper.id for hit in bot.search("sparse graph memory", k=100)}
    assert found == {p.id for p in papers} - {f"p{n}" for n in range(1, 6)}
    bot.close()


# --- what is left alone

LOOK = """
import logging, os, signal, socket, sys
def look():
    root = logging.getLogger()
    return (dict(os.environ), root.level, list(root.handlers), root.disabled, root.filters,
            logging.lastResort, logging.raiseExceptions, signal.getsignal(signal.SIGINT),
            socket.getdefaulttimeout(), os.getcwd(), sys.getrecursionlimit(), sys.excepthook)
from rag import Chatbot
before = look()
with Chatbot.open("home") as bot:
    bot.ingest("papers.jsonl")
    refused = bot.ask("Which index keeps its lists on disk?").refused
after = look()
for old, new in zip(before, after, strict=True):
    assert old == new, (old, new)
if "llama_index.core" in sys.modules:
    from llama_index.core import Settings
    assert Settings._llm is None and Settings._embed_model is None
print("left alone")
"""


def test_nothing_global_is_changed(tmp_path):
    write_papers(tmp_path / "papers.jsonl", make_papers(5))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FOOTNOTED_", "OPENAI_"))}
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=tmp_path, env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("left alone\n", "")


# --- questions that are none, and numbers that are none

WORDLESS = ["", " \n\t ", "🙂🙂", "?!… --", "\x00\x00", "\ud800", "of the and", "a\u200b"]


@pytest.mark.parametrize("question", WORDLESS)
def test_a_question_that_names_nothing_is_refused(sample_bot, question):
    answer = sample_bot.ask(question)
    assert answer.question == question
    assert answer.refusal.kind == "not_in_collection"
    json.dumps(answer.to_dict())


@pytest.mark.parametrize(
    "question",
    [
        "SPANN\x00 memory\x00",
        "\udce9 How much memory does SPANN need? \ud83d",
        "[1] [2] {question} %s \\1 <b>SPANN</b>",
        "SPANN memory " * 10_000,
        " ".join(f"word{n}" for n in range(20_000)),
        "什么是检索增强生成？",
        "x" * 100_000,
    ],
    ids=["NUL", "surrogates", "markup", "repeated", "many words", "Chinese", "one word"],
)
def test_an_odd_question_is_answered_or_refused(sample_bot, question):
    answer = sample_bot.ask(question)
    assert answer.question == question
    assert answer.refused != bool(answer.sentences)
    assert quotes_are_exact(sample_bot, answer)
    assert sample_bot.search(question)
    json.dumps(answer.to_dict())


def test_surrogates_in_history_and_filters_do_no_harm(sample_bot):
    assert sample_bot.search("SPANN", filters={"venue": "half a pair: \ud800"}) == []
    assert sample_bot.search("SPANN", filters=Filters(author="\x00\udfff")) == []
    answer = sample_bot.ask("And what memory does it need?", history=["What is SPANN \ud800?"])
    assert answer.citations[0].title.startswith("SPANN: ")


@pytest.mark.parametrize(("k", "found"), [(0, 0), (-3, 0), (1, 1), (70, 70), (10**7, 70)])
@pytest.mark.parametrize("mode", ["hybrid", "dense"])
def test_any_number_of_papers_can_be_asked_for(sample_bot, k, found, mode):
    hits = sample_bot.search("memory of a graph index", k=k, mode=mode)
    assert len({hit.paper.id for hit in hits}) == len(hits) == found


def test_lexical_search_finds_only_what_shares_a_word(sample_bot):
    hits = sample_bot.search("SPANN", k=10**7, mode="lexical")
    assert 1 <= len(hits) < 10
    assert hits[0].paper.title.startswith("SPANN: ")
    assert hits[0].dense is None


def test_papers_that_wait_for_their_index_are_told_from_no_papers(tmp_path, papers_file):
    def killed(stage, done, total):
        raise KeyboardInterrupt

    with Chatbot.open(tmp_path, settings()) as bot:
        with pytest.raises(KeyboardInterrupt):
            bot.ingest(papers_file, progress=killed)
        with pytest.raises(IndexMissing, match="30 papers wait"):
            bot.ask("Which graph?")
        bot.ingest()
        assert bot.search("graph", k=3)


def test_one_unreadable_file_among_several_is_a_reject(tmp_path, papers_file):
    bad, empty = tmp_path / "bad.csv", tmp_path / "empty.jsonl"
    bad.write_text("name,abstract\nx,y\n", encoding="utf-8")
    empty.touch()
    with Chatbot.open(tmp_path / "home", settings()) as bot:
        report = bot.ingest(bad, papers_file, empty)
        assert (report.ingested, report.rejected, bot.info()["papers"]) == (30, 2, 30)
        with pytest.raises(SourceError):
            bot.ingest(bad)
        assert (tmp_path / "home" / "rejected.jsonl").read_text().count("\n") == 2


# --- chosen for one call


ALWAYS = {"name": "scripted", "llm_kwargs": {"replies": "Penguins fly. [1]"}}


def test_backend_model_and_policy_can_be_chosen_for_a_call(small_home):
    with Chatbot.open(small_home, settings(backend=ALWAYS)) as bot:
        assert bot.ask(WORDS).sentences[0].verdict == "unsupported"
        assert bot.ask(WORDS, policy="drop").refusal.kind == "not_stated"
        plain = bot.ask(WORDS, backend="extractive", model="any")
        assert (plain.backend, plain.sentences[0].verdict) == ("extractive", "supported")
        assert asyncio.run(bot.aask(WORDS, backend="extractive")).backend == "extractive"
        assert [e.value for e in bot.stream(WORDS, backend="extractive") if e.kind == "token"]
        assert bot.ask(WORDS).backend == "scripted"
        with pytest.raises(ConfigError, match="flag, drop, keep"):
            bot.ask(WORDS, policy="hide")


def test_another_backend_does_not_take_over_the_model():
    chosen = Settings.model_validate({"backend": {"name": "openai", "model": "gpt"}})
    assert chosen.chosen(None, None, None) == chosen
    assert chosen.chosen("llama_cpp", None, None).backend.model is None
    assert chosen.chosen("openai", "other", "drop").backend.model == "other"


def test_the_backends_are_listed_with_what_they_lack(small_home, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    mine = settings(plugins={"backends": {"mine": named(MyBackend)["name"]}})
    with Chatbot.open(small_home, mine) as bot:
        found = {offer.name: offer for offer in bot.backends()}
    assert [n for n, offer in found.items() if offer.usable] == ["extractive", "mine"]
    assert found["mine"].model == "mine-1"
    assert "OPENAI_API_KEY" in found["openai"].lacks
    assert "GGUF" in found["llama_cpp"].lacks


def test_an_answer_names_the_prompt_that_asked_for_it(small):
    assert small.ask(WORDS).prompt == prompt.template_hash("answer")


class Condensing(ScriptedBackend):
    """A model that puts a follow-up into words, and then answers."""

    writes = True

    @classmethod
    def from_settings(cls, settings, **resources):
        return cls(lambda asked: cls.reply(asked))

    @staticmethod
    def reply(asked):
        if asked[0].content == prompt.template("condense"):
            return "Is sparse graph memory dense?"
        return asked[-1].sources[0].paper.abstract.split(". ")[0] + ". [1]"


def test_a_model_condenses_where_there_is_a_history_to_lean_on(small_home):
    history = [{"question": "What is sparse graph memory?", "answer": "Memory [1]."}]
    with Chatbot.open(small_home, settings(backend=named(Condensing))) as bot:
        assert bot.ask("Is it dense?", history=history).standalone_question == (
            "Is sparse graph memory dense?"
        )
        assert bot.ask("Is it dense?").standalone_question == "Is it dense?"
    rules = settings(backend=named(Condensing), answer={"condense": "rules", "refuse_below": 0})
    with Chatbot.open(small_home, rules) as bot:
        assert bot.ask("Is it dense?", history=history).standalone_question == (
            "What is sparse graph memory? Is it dense?"
        )
