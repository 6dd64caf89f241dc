"""Odd questions, odd limits, and many at once: a defined result or a clear error each time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pytest

from rag import Chatbot, Settings
from rag.errors import ConfigError
from rag.types import Mode
from tests.conftest import ROOT, make_papers

SETTINGS = Settings.model_validate({"embedding": {"name": "hashing"}, "store": {"name": "memory"}})
QUESTIONS = {
    "20,000 words": "graph memory " * 10_000,
    "one endless word": "graph" * 20_000,
    "a stop word": "the",
    "emoji": "🦊🔥🧠",
    "Japanese": "検索拡張生成とは何ですか",
    "Arabic": "ما هو الاسترجاع؟",
    "punctuation": "?!… — ;;",
    "controls": "graph\x00\x07\u202e memory\ud800",
    "nothing": "   ",
}
_READER = """
import json, sys
from rag import Chatbot, Settings
settings = Settings.model_validate(json.loads(sys.argv[2]))
bot = Chatbot.open(sys.argv[1], settings)
print("ready", flush=True)
rounds = 0
while rounds < 5 or not bot.paper("p119"):
    hits = bot.search("sparse graph memory", k=10)
    ids = [hit.paper.id for hit in hits]
    assert len(set(ids)) == len(ids) == 10, ids
    assert all(h.paper.abstract[h.chunk.start : h.chunk.end] == h.chunk.text for h in hits)
    rounds += 1
print(rounds)
"""


def write(path: Path, low: int, high: int) -> Path:
    papers = make_papers(high, sentences=8)[low:high]
    path.write_text("".join(json.dumps(asdict(p)) + "\n" for p in papers), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chatbot]:
    folder = tmp_path_factory.mktemp("robust")
    with Chatbot.open(folder / "home", SETTINGS) as made:
        made.ingest(write(folder / "papers.jsonl", 0, 40))
        yield made


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("mode", get_args(Mode))
def test_any_question_can_be_searched_for(bot: Chatbot, name: str, mode: Mode) -> None:
    hits = bot.search(QUESTIONS[name], k=5, mode=mode)
    assert len(hits) <= 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)


@pytest.mark.parametrize("name", QUESTIONS)
def test_any_question_is_answered_or_refused(bot: Chatbot, name: str) -> None:
    answer = bot.ask(QUESTIONS[name])
    assert answer.refused or answer.citations
    if name in ("a stop word", "punctuation", "nothing"):
        assert answer.refusal and answer.refusal.kind == "not_in_collection"


@pytest.mark.parametrize(("k", "found"), [(-3, 0), (0, 0), (1, 1), (10_000_000, 40)])
def test_any_number_of_hits(bot: Chatbot, k: int, found: int) -> None:
    assert len(bot.search("sparse graph memory retrieval token", k=k)) == found


@pytest.mark.parametrize(
    "filters", [{"year": (3000, None)}, {"year": (2010, 2000)}, {"author": "nobody"}]
)
def test_a_filter_that_admits_nothing(bot: Chatbot, filters: dict[str, Any]) -> None:
    assert bot.search("graph", filters=filters) == []
    answer = bot.ask("What is said about graphs?", filters=filters)
    assert answer.refusal and answer.refusal.kind == "not_in_collection"


@pytest.mark.parametrize("filters", [{"years": 2000}, {"year": "soon"}, {"venue": 3}])
def test_a_filter_that_makes_no_sense_is_named(bot: Chatbot, filters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"filter '{next(iter(filters))}'"):
        bot.search("graph", filters=filters)


def test_a_few_papers_are_found_wherever_they_rank(bot: Chatbot) -> None:
    """A filter is no sieve over the first hits: what it admits is found, all of it."""
    for paper in bot.papers():
        hits = bot.search("zebra", filters={"year": (paper.year, paper.year)}, mode="dense", k=40)
        assert paper.id in {hit.paper.id for hit in hits}


def test_many_ask_while_papers_come(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Chatbot.open(home, SETTINGS) as writer:
        writer.ingest(write(tmp_path / "0.jsonl", 0, 30))
        command = [sys.executable, "-c", _READER, str(home), json.dumps(SETTINGS.model_dump())]
        readers = [
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        for reader in readers:
            assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
        errors: list[BaseException] = []
        over = threading.Event()

        def ask() -> None:
            try:
                while not over.is_set():
                    assert len(writer.search("sparse graph memory", k=10)) == 10
            except BaseException as error:
                errors.append(error)

        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        for part in range(3):
            writer.ingest(write(tmp_path / f"{part + 1}.jsonl", 30 + 30 * part, 60 + 30 * part))
        over.set()
        for asker in askers:
            asker.join()
        assert errors == []
        for reader in readers:
            out, err = reader.communicate(timeout=60)
            assert (reader.returncode, err) == (0, "")
            assert int(out) >= 5


def test_vectors_are_made_in_the_background_or_later(tmp_path: Path) -> None:
    with Chatbot.open(tmp_path / "home", SETTINGS) as bot:
        bot.ingest(write(tmp_path / "a.jsonl", 0, 20), vectors="later")
        assert (bot.is_behind(), bot.search_mode("hybrid")) == ("vectors", "lexical")
        hits = bot.search("sparse graph memory", k=5)
        assert len(hits) == 5 and all(hit.dense is None for hit in hits)
        bot.ingest(write(tmp_path / "b.jsonl", 20, 30), vectors="background")
        assert bot.search(make_papers(30, sentences=8)[25].title, k=1)[0].paper.id == "p25"
        bot.wait()
        assert (bot.is_behind(), bot.search_mode("hybrid")) == (None, "hybrid")
        assert all(hit.dense is not None for hit in bot.search("sparse graph memory", k=5))


def test_a_cross_encoder_made_on_the_spot_reorders(tmp_path: Path) -> None:
    from tests.tiny_models import tiny_cross_encoder

    settings = SETTINGS.model_copy(
        update={"rank": SETTINGS.rank.model_copy(update={"model": tiny_cross_encoder(tmp_path)})}
    )
    with Chatbot.open(tmp_path / "home", settings) as bot:
        bot.ingest(write(tmp_path / "a.jsonl", 0, 12))
        plain = Chatbot.open(tmp_path / "home", SETTINGS).search("sparse graph memory", k=12)
        ranked = bot.search("sparse graph memory", k=12)
    assert {h.paper.id for h in ranked} == {h.paper.id for h in plain}
    assert [h.score for h in ranked] == sorted((h.score for h in ranked), reverse=True)
    assert [h.score for h in ranked] != [h.score for h in plain]


def test_a_cross_encoder_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    settings = SETTINGS.model_copy(
        update={"rank": SETTINGS.rank.model_copy(update={"model": missing})}
    )
    with Chatbot.open(tmp_path / "home", settings) as bot:
        bot.ingest(write(tmp_path / "a.jsonl", 0, 12))
        with pytest.raises(ConfigError, match=r"cross-encoder .*nowhere.*\[rank\] model"):
            bot.search("sparse graph")
