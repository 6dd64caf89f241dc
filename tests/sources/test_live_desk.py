"""How far a query came: what is kept, when it is kept, and when it is thrown away."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import LibraryError
from rag.sources._desk import Cursor, Desk

KEY = {"source": "arxiv", "query": "cat:cs.IR", "address": "http://x.org"}


def test_a_state_is_there_again_for_the_same_query_only(tmp_path):
    Cursor(tmp_path, KEY).save({"start": 300}, 300)
    again = Cursor(tmp_path, KEY)
    assert again.load() == {"start": 300}
    assert again.done == 300
    for other in ({"query": "cat:cs.CL"}, {"address": "http://y.org"}, {"since": "2024-01-01"}):
        assert Cursor(tmp_path, {**KEY, **other}).load() == {}
    again.clear()
    assert list(tmp_path.iterdir()) == []
    again.clear()


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"format": 1}', '{"format": 2, "query": {}, "state": {}, "done": 0}',
     "\x00\x01"],
)  # fmt: skip
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    cursor = Cursor(tmp_path, KEY)
    cursor.save({"start": 1}, 1)
    cursor.path.write_text(damage)
    assert Cursor(tmp_path, KEY).load() == {}


def test_a_file_that_was_swapped_for_another_query_s_is_not_used(tmp_path):
    one, other = Cursor(tmp_path, KEY), Cursor(tmp_path, {**KEY, "query": "z"})
    one.save({"start": 1}, 1)
    other.save({"start": 2}, 2)
    one.path.write_text(other.path.read_text())
    assert Cursor(tmp_path, KEY).load() == {}


def test_the_file_says_what_it_is_for(tmp_path):
    cursor = Cursor(tmp_path / "deep" / "cursors", KEY)
    cursor.save({"start": 1}, 1)
    kept = json.loads(cursor.path.read_text())
    assert cursor.path.name.startswith("arxiv-")
    assert (kept["query"], kept["state"], kept["done"]) == (KEY, {"start": 1}, 1)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match=r"cannot be written .*connectors\.cursors"):
        Cursor(tmp_path / "file", KEY).save({}, 0)


def test_without_a_folder_nothing_is_kept():
    cursor = Cursor(None, KEY)
    cursor.save({"start": 1}, 1)
    cursor.clear()
    assert cursor.load() == {}


@given(st.lists(st.integers(1, 9), max_size=9), st.integers(1, 9), st.integers(0, 99))
def test_a_page_counts_only_once_all_of_it_is_stored(pages, batch, kill_at):
    desk, kept = Desk(), [0]

    def records():
        given_out = 0
        for page in pages:
            for _ in range(page):
                given_out += 1
                yield given_out
            desk.after(partial(kept.append, given_out))

    watching = desk.watching(lambda *_: None)
    stored = 0
    for record in desk.counted(records()):
        assert stored - batch - max(pages) <= kept[-1] <= stored
        if record == kill_at:
            return
        if record % batch == 0:
            stored = record
            watching("reading", stored, None)
            assert kept[-1] <= stored
    watching("reading", sum(pages), None)
    assert kept == [0, *(sum(pages[: n + 1]) for n in range(len(pages)))]


def test_the_limit_counts_what_earlier_runs_have_stored(tmp_path):
    Cursor(tmp_path, KEY).save({"start": 30}, 30)
    desk = Desk(tmp_path, limit=50)
    state = desk.open(KEY)[1]
    assert (state, desk.resumed) == ({"start": 30}, True)
    taken = []
    assert list(desk.counted(taken.append(n) or n for n in range(99))) == list(range(20))
    assert len(taken) == 20, "no page is asked for that is not needed"


def test_the_end_of_a_run_clears_what_began_and_did_not_fail(tmp_path):
    for name in "abc":
        Cursor(tmp_path, {**KEY, "query": name}).save({}, 1)
    desk = Desk(tmp_path, sources=3)
    a, b, _ = (desk.open({**KEY, "query": name})[0] for name in "abc")
    a.began = b.began = b.failed = True
    desk.close()
    assert not a.path.exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_progress_knows_the_total_and_what_was_there_before(tmp_path):
    Cursor(tmp_path, KEY).save({"start": 30}, 30)
    said = []
    desk = Desk(tmp_path)
    cursor, _ = desk.open(KEY)
    report = desk.watching(lambda *told: said.append(told))
    desk.expect(cursor, 100)
    report("reading", 5, None)
    report("embedding", 5, 7)
    assert said == [("reading", 30, 100), ("reading", 35, 100), ("embedding", 5, 7)]


def test_there_is_no_total_beside_a_file(tmp_path):
    said = []
    desk = Desk(tmp_path, sources=2)
    cursor, _ = desk.open(KEY)
    report = desk.watching(lambda *told: said.append(told))
    desk.expect(cursor, 100)
    report("reading", 5, None)
    assert said[-1] == ("reading", 5, None)
