import pytest

from rag.backends.scripted import ScriptedBackend
from rag.config import BackendSettings
from rag.errors import BackendInterrupted, BackendNotReady
from rag.types import Message

QUESTION = [Message("user", "How much?")]


def said(backend):
    return "".join(backend.complete(QUESTION))


def test_one_reply_is_said_every_time_and_in_pieces():
    backend = ScriptedBackend("SPANN needs 32 GB [1].")
    assert len(list(backend.complete(QUESTION))) > 1
    assert said(backend) == "SPANN needs 32 GB [1]."
    assert backend.calls == [tuple(QUESTION)] * 2


def test_replies_come_in_order_and_run_out():
    backend = ScriptedBackend(["one", "two"])
    assert (said(backend), said(backend)) == ("one", "two")
    with pytest.raises(BackendNotReady, match="one for each call"):
        said(backend)


def test_a_function_sees_the_messages():
    assert said(ScriptedBackend(lambda messages: messages[0].content.upper())) == "HOW MUCH?"


def test_it_can_break_off():
    pieces = ScriptedBackend("half", then=BackendInterrupted("cut")).complete(QUESTION)
    assert next(pieces) == "half"
    with pytest.raises(BackendInterrupted):
        next(pieces)


def test_from_settings():
    settings = BackendSettings(llm_kwargs={"replies": "from settings"})
    assert said(ScriptedBackend.from_settings(settings)) == "from settings"
    assert said(ScriptedBackend.from_settings(settings, replies="from caller")) == "from caller"
    with pytest.raises(BackendNotReady, match=r"backend\.llm_kwargs"):
        ScriptedBackend.from_settings(BackendSettings())
