"""Thanks and greetings get a short reply, are not searched for, and leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import Chatbot
from rag._follow_ups import condense
from rag._small_talk import after, reply
from rag.config import EmbeddingSettings, Settings, StoreSettings
from tests.conftest import SAMPLE


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chatbot]:
    settings = Settings(
        embedding=EmbeddingSettings(name="hashing"), store=StoreSettings(name="memory")
    )
    with Chatbot.open(tmp_path_factory.mktemp("talk"), settings) as made:
        made.ingest(str(SAMPLE))
        yield made


@pytest.mark.parametrize(
    ("said", "replied"),
    [
        ("hi", "Hello."),
        ("Hello there!", "Hello."),
        ("thanks", "You are welcome."),
        ("Thank you, that helps :)", "You are welcome."),
        ("ok", "All right."),
        ("great, that’s very helpful", "All right."),
        ("ok, thanks, bye", "Goodbye."),
        ("That's all for today.", "Goodbye."),
        ("what can you do?", "This is Footnoted."),
        ("Good evening, who are you?", "This is Footnoted."),
        ("help", "This is Footnoted."),
        ("Hi there, how's your day going?", "This is a program"),
    ],
)
def test_small_talk_gets_a_reply_and_no_papers(bot: Chatbot, said: str, replied: str) -> None:
    [event] = bot.stream(said, history=["What is SPANN?"])
    answer = event.value
    assert answer.text.startswith(replied)
    assert answer.refusal.kind == "not_in_collection"
    assert (answer.citations, answer.sentences, answer.nearest) == ((), (), ())
    assert answer.standalone_question == said


@pytest.mark.parametrize(
    "asked",
    [
        "Great ideas on retrieval",
        "Hi-C data",
        "No-reference image quality",
        "help me find papers on treemaps",
        "thanks to which data does CLIP generalize?",
        "What can you do with SPANN?",
        "Good data for CLIP",
        "nice work on SPANN?",
        "How do you do retrieval at scale?",
        "why?",
        "And the second one?",
        "",
    ],
)
def test_a_question_is_no_small_talk(asked: str) -> None:
    assert reply(asked) is None
    assert after(asked) == asked


def test_what_comes_after_small_talk_is_the_question(bot: Chatbot) -> None:
    assert after("Fine, thanks. What is SPANN?") == "What is SPANN?"
    assert after("thanks, but how fast is it?") == "but how fast is it?"
    answer = bot.ask("Hello! What is DendroMap?")
    assert answer.standalone_question == "What is DendroMap?"
    assert answer.citations[0].title.startswith("DendroMap")


def test_a_follow_up_looks_past_small_talk(bot: Chatbot) -> None:
    turns = [bot.ask("What is SPANN?").to_dict()]
    turns.append(bot.ask("Thank you, that helps!", history=turns).to_dict())
    turns.append(bot.ask("ok", history=turns).to_dict())
    answer = bot.ask("Great. And does it beat DiskANN?", history=turns)
    assert answer.standalone_question == "does SPANN beat DiskANN?"
    assert answer.text == bot.ask("And does it beat DiskANN?", history=turns[:1]).text
    assert answer.citations[0].title.startswith("SPANN")


def test_small_talk_alone_is_no_conversation() -> None:
    assert condense("and how fast is it?", ["hi"]) == "and how fast is it?"


@given(st.text(max_size=300))
def test_what_is_left_is_an_end_of_what_was_said(text: str) -> None:
    assert text.strip().endswith(after(text).strip())
    if reply(text):
        assert after(text) == text


def test_an_unwritten_home_says_so_first(tmp_path: Path) -> None:
    settings = Settings(embedding=EmbeddingSettings(name="hashing"))
    answer = Chatbot.open(tmp_path, settings).ask("hi")
    assert answer.refusal is not None
    assert answer.refusal.kind == "empty_collection"


def test_a_very_long_text_is_read_in_no_time() -> None:
    for piece in ("thanks ", "hi, ", "and ", "!", "that is "):
        assert reply(piece * (400_000 // len(piece))) is None
