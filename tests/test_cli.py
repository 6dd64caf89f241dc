"""The `footnoted` command: arguments, what it prints and where, and its exit status."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import _cli_batch, _cli_format, _cli_progress, cli
from rag._cli_parser import build_parser, parse, years
from rag.errors import SourceError
from rag.types import Answer, Chunk, Citation, Hit, Nearest, Paper, Refusal, Sentence

ROOT = Path(__file__).parents[1]
PAPERS = [
    {
        "title": f"Paper {n} on {topic}",
        "abstract": f"We study {topic} in depth. Our method reaches {80 + n} percent on {topic}.",
        "year": 2019 + n,
        "id": f"p{n}",
    }
    for n, topic in enumerate(["graph search", "protein folding", "speech synthesis"], 1)
]


# --- arguments


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("2020-2024", (2020, 2024)),
        ("2020-", (2020, None)),
        ("-2024", (None, 2024)),
        ("2023", (2023, 2023)),
    ],
)
def test_years(text, bounds):
    assert years(text) == bounds


@pytest.mark.parametrize("text", ["", "-", "20", "2020-24", "20202024", "2020–2024", "now"])
def test_what_is_no_range_of_years(text):
    with pytest.raises(argparse.ArgumentTypeError, match="Write 2020-2024"):
        years(text)


@given(st.text(max_size=12))
def test_years_are_ordered_bounds_or_an_error(text):
    try:
        low, high = years(text)
    except argparse.ArgumentTypeError:
        return
    assert low is not None or high is not None
    assert low is None or high is None or low <= high


@pytest.mark.parametrize("words", [["--year", "-2024"], ["--year=-2024"]])
def test_a_range_may_begin_with_a_dash(words):
    assert parse(["search", "x", *words]).year == (None, 2024)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dig"],
        ["search"],
        ["search", " "],
        ["search", "x", "-k", "0"],
        ["search", "x", "--year", "2024-2020"],
        ["search", "x", "--mode", "psychic"],
        ["ask"],
        ["ask", "x", "--batch", "f"],
        ["ask", "--batch", "f", "--history", "h"],
        ["ask", "x", "--policy", "lenient"],
        ["ingest", "f", "--limit", "none"],
        ["ingest", "f", "--map", "title"],
        ["ingest", "f", "--map", "=B"],
        ["delete"],
        ["info", "--hom", "x"],
    ],
)
def test_wrong_usage_exits_2_and_says_so_on_stderr(words, capsys):
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error:" in err


def subcommands():
    parser = build_parser()
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {"": parser, **action.choices}


def test_the_page_of_help_is_what_help_prints(monkeypatch):
    monkeypatch.setenv("COLUMNS", "92")
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    blocks = re.findall(r"## footnoted ?(\w*)\n\n```text\n(.*?)```", page, re.DOTALL)
    shown = {name: text.split() for name, text in blocks}  # Pythons differ in where they wrap
    assert shown == {name: p.format_help().split() for name, p in subcommands().items()}


@pytest.mark.parametrize("name", list(subcommands()))
def test_help_teaches_by_examples_that_parse(name):
    epilog = subcommands()[name].epilog
    lines = re.findall(r"^  .*footnoted ([a-z].*)", epilog, re.M)
    examples = [re.split(r" > |  +", line)[0] for line in lines]
    assert len(examples) >= 2
    for example in examples:
        parse(re.sub(r'"[^"]*"', "words", example).split())


# --- what people read


def citation(marker=1, **changes):
    plain = Citation(
        marker, "p1", "A title", ("Ada",), 2024, "ACL", "https://example.org/p1",
        "It reaches 81 percent.", 0, 22, 0.9,
    )  # fmt: skip
    return replace(plain, **changes)


def answer(text="It works [1].", sentences=(), **changes):
    plain = Answer(
        "a1", "Does it?", "Does it?", text, sentences=tuple(sentences), citations=(citation(),),
        backend="extractive", seconds={"total": 1.234},
    )  # fmt: skip
    return replace(plain, **changes)


def test_an_answer_is_text_a_blank_line_and_footnotes():
    assert _cli_format.answer_text(answer(), 80).split("\n") == [
        "It works [1].",
        "",
        "[1] A title (2024). ACL. https://example.org/p1",
        "    “It reaches 81 percent.”",
    ]


def test_a_footnote_does_without_what_is_not_known():
    bare = answer(citations=(citation(year=None, venue=None, url=None),))
    assert "[1] A title.\n" in _cli_format.answer_text(bare, 80)


def test_lines_keep_to_the_width_and_to_100():
    long = answer("word " * 100 + "[1].", citations=(citation(quote="quoted " * 40),))
    for width, most in ((60, 60), (400, 100)):
        lines = _cli_format.answer_text(long, width).split("\n")
        assert most - 10 < max(map(len, lines)) <= most


def test_no_line_of_an_answer_begins_with_a_marker():
    shown = _cli_format.answer_text(answer("Some words here. [1][2] " * 30, citations=()), 40)
    assert not [line for line in shown.split("\n") if line.startswith("[")]


def test_paragraphs_and_lists_stay_apart():
    text = "Two ways:\n\n- the first [1]\n- the second [1]"
    assert _cli_format.answer_text(answer(text), 80).startswith(text)


@pytest.mark.parametrize(
    ("verdict", "mark"),
    [
        ("partial", "(partly supported)"),
        ("unsupported", "(not supported)"),
        ("contradicted", "(contradicted by the source)"),
    ],
)
@pytest.mark.parametrize("text", ["It is so [1][2]. {}And on. [3]", "It is so. [1] [2] {}And on."])
def test_a_mark_stands_after_its_sentence_and_its_markers(verdict, mark, text):
    said = [
        Sentence("It is so.", (1, 2), verdict, 0.2),
        Sentence("And on.", (3,), "supported", 0.9),
    ]
    shown = _cli_format.answer_text(answer(text.format(""), said), 100)
    assert shown.startswith(text.format(f"{mark} "))


def test_marks_are_left_out_where_the_policy_keeps_all():
    said = [Sentence("It works.", (1,), "unsupported", 0.1)]
    assert "not supported" not in _cli_format.answer_text(answer("It works. [1]", said), flag=False)


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=9)))
def test_marking_only_adds(parts):
    text = " ".join(parts)
    said = [Sentence(part, (), "unsupported", 0.0) for part in parts]
    assert _cli_format._flagged(text, said).replace(" (not supported)", "") == text


def test_an_answer_that_was_cut_off_says_so():
    assert "cut off" in _cli_format.answer_text(answer(truncated=True))


def test_a_refusal_is_its_message_and_the_nearest_papers():
    refused = answer(
        "", refusal=Refusal("not_in_collection", "Nothing here answers that."),
        nearest=(Nearest("p1", "A title", 0.314),),
    )  # fmt: skip
    assert _cli_format.answer_text(refused) == (
        "Nothing here answers that.\n\nNearest papers:\n  0.31  A title  p1"
    )


def test_no_text_reaches_the_terminals_controls():
    evil = "\x1b[2Jgone\x07\x9b5m\r"
    shown = _cli_format.answer_text(answer(evil, citations=(citation(title=evil, quote=evil),)))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


def test_the_last_line_names_backend_model_and_seconds():
    assert _cli_format.answer_origin(answer()) == "extractive, 1.23 s"
    assert _cli_format.answer_origin(answer(model="m")) == "extractive, m, 1.23 s"


def test_a_hit_shows_rank_score_title_year_id_and_how_it_begins():
    paper = Paper("A title", "word " * 100, "arxiv:1", year=2024)
    shown = _cli_format.hits_text([Hit(1, 0.83, paper, Chunk("c", paper.id, paper.abstract, 0, 9))])
    assert shown.startswith("  1. 0.830  A title (2024)  arxiv:1\n")
    assert 180 < len(" ".join(shown.split("\n", 1)[1].split())) <= 200
    assert shown.endswith("…")


def test_info_is_one_line_a_fact():
    facts = {"papers": 1234, "disk": 2_500_000, "model": None, "by_year": {2023: 1, 2024: 2}}
    assert _cli_format.info_text(facts).split("\n") == [
        "papers:  1,234",
        "disk:    2.5 MB",
        "model:   none",
        "by year: 2023: 1, 2024: 2",
    ]


# --- progress


def test_a_plain_line_tells_rate_and_time_left():
    line = _cli_progress.progress_line("embedding", 1000, 5000, 100.0)
    assert line == "embedding: 1,000 of 5,000 chunks, 10.0 per second, 6:40 left"
    assert _cli_progress.progress_line("reading", 5, None, 0) == "reading: 5 papers, 0.0 per second"


def test_outside_a_terminal_progress_is_rare(capsys, monkeypatch):
    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(_cli_progress.time, "monotonic", lambda: float(next(now)))
    with _cli_progress.Progress() as progress:
        for done in range(1, 11):
            progress("reading", done, None)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 4
    assert lines[-1].startswith("reading: 10 papers")


@pytest.mark.parametrize(("quiet", "shown"), [(False, True), (True, False)])
def test_in_a_terminal_there_are_bars_unless_quiet(quiet, shown, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with _cli_progress.Progress(quiet=quiet) as progress:
        progress("reading", 2, None)
        progress("embedding", 1, 2)
        progress("embedding", 2, 2)
    assert ("2/2" in terminal.getvalue()) is shown


# --- questions in files


def test_a_batch_is_read_line_by_line_and_a_bad_line_is_kept_as_such(tmp_path):
    file = tmp_path / "q.jsonl"
    good = {"id": 7, "question": "Why?", "turns": [{"question": "What?", "answer": "That."}]}
    lines = [
        b"\xef\xbb\xbf" + json.dumps(good).encode(),
        b"",
        b"{bad",
        b'{"id": "x"}',
        b"\xff",
        b"[" * 100_000,
        b'{"question": "Q?", "turns": "no"}',
        b'{"turns": ["First?", "Last?"]}',
        b'{"question": "Last?", "turns": ["First?", "Last?"]}',
    ]
    file.write_bytes(b"\n".join(lines))
    asked = list(_cli_batch.read_batch(str(file)))
    assert [a.line for a in asked] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert asked[0] == _cli_batch.Asked(1, 7, "Why?", tuple(good["turns"]))
    assert [bool(a.error) for a in asked] == [False, True, True, True, True, True, False, False]
    assert asked[2].id == "x"
    assert asked[6].question == asked[7].question == "Last?"
    assert asked[6].turns == asked[7].turns == ("First?",)
    assert _cli_batch.count_lines(str(file)) == len(asked)


@pytest.mark.parametrize("text", ['["A?", {"question": "B?", "answer": "b"}]', '"A?"\n\n"B?"\n'])
def test_a_history_is_a_list_or_lines(tmp_path, text):
    file = tmp_path / "h.json"
    file.write_text(text)
    assert [_cli_batch._text_of(t) for t in _cli_batch.read_history(str(file))] == ["A?", "B?"]


@pytest.mark.parametrize("text", ["[1]", '"A?"\n{}', '["A?"', '[{"question": "x", "answer": 1}]'])
def test_a_history_that_is_none_says_what_one_is(tmp_path, text):
    file = tmp_path / "h.json"
    file.write_text(text)
    with pytest.raises(SourceError, match="JSON list, or JSONL"):
        _cli_batch.read_history(str(file))


# --- the commands, with a real collection and no model


@pytest.fixture(scope="module")
def environment():
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("FOOTNOTED_", "OPENAI_"))},
        "FOOTNOTED_EMBEDDING_NAME": "hashing",
        "FOOTNOTED_ANSWER_REFUSE_BELOW": "0",  # calibrated for vectors that mean something
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "100",
    }


@pytest.fixture
def settled(monkeypatch, environment, tmp_path):
    """This process as the environment has it, in an empty folder."""
    for name in [n for n in os.environ if n.startswith(("FOOTNOTED_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def home(tmp_path_factory, environment):
    """A collection of three papers, made by the real command."""
    folder = tmp_path_factory.mktemp("cli")
    file = folder / "papers.jsonl"
    file.write_text("".join(json.dumps(p) + "\n" for p in PAPERS))
    done = footnoted(environment, folder, "ingest", str(file), "--home", str(folder / "home"))
    assert (done.returncode, done.stdout) == (
        0,
        "3 ingested, 0 unchanged, 0 replaced, 0 rejected\n",
    ), done.stderr
    return folder / "home"


def footnoted(environment, folder, *words, **options):
    return subprocess.run(
        [sys.executable, "-m", "rag.cli", *words],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        **{"stdin": subprocess.DEVNULL, **options},
    )  # fmt: skip


@pytest.fixture
def run(settled, capsys):
    """Run a command in this process: its status, standard output, standard error."""

    def command(*words):
        status = cli.main([str(word) for word in words])
        return status, *capsys.readouterr()

    return command


def test_ingesting_again_changes_nothing(run, home, settled):
    status, out, err = run("ingest", home.parent / "papers.jsonl", "--home", home)
    assert (status, out, err) == (0, "0 ingested, 3 unchanged, 0 replaced, 0 rejected\n", "")


def test_ingest_without_a_source_goes_on_with_what_is_pending(run, home):
    status, out, _ = run("ingest", "--home", home, "--json")
    found = json.loads(out)
    assert (status, found.pop("rejects")) == (0, None)
    assert set(found) >= {"ingested", "unchanged", "replaced", "rejected"}
    assert not any(found.values())


def test_mapped_columns_and_a_reject_that_is_mended_and_taken(run, settled):
    (settled / "t.csv").write_text("Name, kurz;Text;Jahr\nMoos;Moos waechst langsam;2020\nLeer;;\n")
    words = ("ingest", "t.csv", "--map", "title=Name, kurz,abstract=Text", "--map", "year=Jahr")
    assert run(*words)[:2] == (0, "1 ingested, 0 unchanged, 0 replaced, 1 rejected\n")
    rejects = settled / ".footnoted" / "rejected.jsonl"
    rejects.write_text(rejects.read_text().replace("Leer;;", "Leer;Nun nicht mehr;2021"))
    assert run("ingest", rejects)[:2] == (0, "1 ingested, 0 unchanged, 0 replaced, 0 rejected\n")
    _, out, _ = run("search", "Nun nicht mehr", "--json")
    assert ("Leer", 2021) in [(hit["title"], hit["year"]) for hit in json.loads(out)["hits"]]


def test_rejects_are_explained_and_strict_exits_3(run, settled):
    lines = [json.dumps(PAPERS[0]), "{broken", json.dumps({"title": "No abstract"})]
    Path("mixed.jsonl").write_text("\n".join(lines))
    status, out, err = run("ingest", "mixed.jsonl", "--strict")
    assert (status, out) == (3, "1 ingested, 0 unchanged, 0 replaced, 2 rejected\n")
    assert str(Path(".footnoted", "rejected.jsonl")) in err
    assert "mixed.jsonl, line 2: " in err
    assert "mixed.jsonl, line 3: " in err
    assert run("ingest", "mixed.jsonl")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "is empty"), (b"\x00\x01\x02" * 99, "is a binary file")],
)
def test_a_source_that_cannot_be_read_is_one_line(run, settled, content, message):
    if content is not None:
        Path("papers.jsonl").write_bytes(content)
    status, out, err = run("ingest", "papers.jsonl")
    assert (status, out) == (1, "")
    assert re.fullmatch(rf"footnoted: .*{message}.*\n", err)


def test_an_unknown_format_lists_the_known(run, settled):
    Path("papers.txt").write_text("words\n")
    status, _, err = run("ingest", "papers.txt", "--format", "wordstar")
    assert status == 1
    assert "jsonl" in err


def test_search_prints_json_as_the_contract_has_it(run, home):
    status, out, err = run("search", "protein", "folding", "-k", 2, "--home", home, "--json")
    found = json.loads(out)
    assert (status, err) == (0, "")
    assert list(found) == ["query", "mode", "hits", "seconds"]
    assert (found["query"], found["mode"]) == ("protein folding", "hybrid")
    assert {"embed", "search", "total"} <= found["seconds"].keys()
    first = found["hits"][0]
    assert list(first) == [
        "rank", "score", "paper_id", "title", "year", "chunk_id", "text", "start", "end",
    ]  # fmt: skip
    assert (first["rank"], first["paper_id"]) == (1, "p2")


def test_search_for_people(run, home):
    status, out, _ = run("search", "protein folding", "--home", home)
    assert status == 0
    assert re.match(r"  1\. 0\.\d{3}  Paper 2 on protein folding \(2021\)  p2\n", out)


def test_filters_reach_the_search(run, home):
    out = run("search", "study", "--year", "2022-", "--home", home, "--json")[1]
    assert [hit["year"] for hit in json.loads(out)["hits"]] == [2022]
    status, out, err = run("search", "study", "--venue", "Nowhere", "--home", home)
    assert (status, out, err) == (0, "", "footnoted: no paper matches\n")


def test_ask_prints_the_answer_and_says_on_stderr_who_wrote_it(run, home):
    status, out, err = run(
        "ask", "What percent does the method reach on protein folding?", "--home", home
    )
    assert status == 0
    assert "[1] Paper 2 on protein folding (2021)." in out
    assert "“Our method reaches 82 percent on protein folding.”" in out
    assert re.fullmatch(r"extractive, \d+\.\d\d s\n", err)


def test_ask_prints_json_as_the_contract_has_it(run, home):
    out = run("ask", "What percent is reached on protein folding?", "--home", home, "--json")[1]
    found = json.loads(out)
    assert list(found) == list(answer().to_dict())
    assert not found["refused"]


def test_an_empty_collection_refuses(run, settled):
    status, out, _ = run("ask", "Anything?", "--home", "new", "--json")
    assert (status, json.loads(out)["refusal"]["kind"]) == (0, "empty_collection")
    assert run("ask", "Anything?", "--home", "new", "--fail-on-refusal")[0] == 4


def test_history_is_read_and_left_alone(run, home, settled):
    text = '["Which paper is on protein folding?"]'
    Path("h.json").write_text(text)
    status, _, err = run("ask", "What does it reach?", "--history", "h.json", "--home", home)
    assert status == 0, err
    assert Path("h.json").read_text() == text
    status, _, err = run("ask", "x", "--history", "none.json", "--home", home)
    assert (status, err) == (1, "footnoted: no such file: none.json. Check the path.\n")


def test_a_batch_answers_in_order_and_goes_on_after_a_bad_line(run, home, settled):
    lines = ['{"id": "a", "question": "What percent on graph search?"}', "{bad", '{"id": "c"}']
    last = '{"id": "d", "question": "What percent on speech synthesis?", "turns": ["Hello?"]}'
    Path("q.jsonl").write_text("\n".join([*lines, last]))
    status, out, err = run("ask", "--batch", "q.jsonl", "--home", home)
    found = [json.loads(line) for line in out.splitlines()]
    assert status == 1
    assert [item.get("id") for item in found] == ["a", None, "c", "d"]
    assert [item.get("line") for item in found] == [None, 2, 3, None]
    assert found[0]["citations"][0]["paper_id"] == "p1"
    assert found[3]["citations"][0]["paper_id"] == "p3"
    assert "line 2: not JSON" in err


def test_the_openai_backend_without_a_key_names_the_fix(run, home):
    status, out, err = run("ask", "Why?", "--backend", "openai", "--model", "m", "--home", home)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"footnoted: .*OPENAI_API_KEY.*\n", err)


def test_a_server_that_cannot_be_reached_is_named(run, home, monkeypatch):
    monkeypatch.setenv("FOOTNOTED_BACKEND_RETRIES", "0")
    where = ["--backend", "openai", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
    status, out, err = run("ask", "Why graph search?", *where, "--home", home)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"footnoted: .*127\.0\.0\.1:9.*\n", err)
    status, out, _ = run("ask", "Why graph search?", *where, "--home", home, "--json")
    assert (status, json.loads(out)["refusal"]["kind"]) == (1, "backend_failed")


def test_an_unknown_backend_lists_the_known(run, home):
    status, _, err = run("ask", "Why?", "--backend", "oracle", "--home", home)
    assert status == 1
    assert "extractive" in err


def test_an_unknown_setting_in_the_environment_is_named(run, home, monkeypatch):
    monkeypatch.setenv("FOOTNOTED_RETRIEVAL_SPEED", "9")
    status, out, err = run("info", "--home", home)
    assert (status, out) == (1, "")
    assert "retrieval.speed" in err


def test_an_index_of_another_model_is_not_used(run, home, monkeypatch):
    monkeypatch.setenv("FOOTNOTED_EMBEDDING_NAME", "sentence_transformers")
    status, out, err = run("search", "protein", "--home", home)
    assert (status, out) == (1, "")
    assert re.fullmatch(r"footnoted: .*footnoted ingest --rebuild.*\n", err)


def test_info_for_people_and_scripts(run, home):
    assert re.search(r"^papers: +3$", run("info", "--home", home)[1], re.MULTILINE)
    assert json.loads(run("info", "--home", home, "--json")[1])["papers"] == 3


def test_delete_counts_and_fails_on_an_unknown_id(run, settled):
    Path("papers.jsonl").write_text("".join(json.dumps(p) + "\n" for p in PAPERS))
    assert run("ingest", "papers.jsonl")[0] == 0
    assert run("delete", "p1", "p1")[:2] == (0, "1 deleted\n")
    status, out, err = run("delete", "p1", "p2", "--json")
    assert (status, json.loads(out)) == (1, {"deleted": 1})
    assert err.startswith("footnoted: no paper has the id 'p1'.")
    assert "footnoted search WORDS" in err
    assert json.loads(run("info", "--json")[1])["papers"] == 1


def test_chat_answers_what_is_typed_until_an_empty_line(run, home, monkeypatch):
    typed = "What percent does the method reach on protein folding?\nAnd on graph search?\n\nno\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    status, out, err = run("chat", "--home", home)
    assert status == 0
    assert "82 percent" in out
    assert err.count("extractive, ") == 2


def test_a_conversation_goes_on_and_can_be_listed_shown_and_deleted(run, settled, monkeypatch):
    file = settled / "papers.jsonl"
    file.write_text("".join(json.dumps(p) + "\n" for p in PAPERS))
    run("ingest", file)
    asked = "What percent does the method reach on protein folding?\n"
    for words in (["chat"], ["chat", "--continue"]):
        monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
        status, out, err = run(*words)
        assert (status, "[1]" in out) == (0, True), err
    assert 'Going on with "What percent' in err
    name = err.split()[-1]
    assert run("conversations")[1].startswith(name)
    (listed,) = json.loads(run("conversations", "list", "--json")[1])
    assert (listed["id"], listed["turns"]) == (name, 2)
    assert run("conversations", "show", name[:6])[1].count("82 percent") >= 2
    assert run("conversations", "export", "last")[1].count("[^1]:") == 1
    assert run("conversations", "rename", "last", "My", "title")[0] == 0
    assert "My title" in run("conversations")[1]
    assert run("conversations", "rename", "last")[0] == 2
    assert run("conversations", "delete", name)[1] == f"{name} deleted\n"
    status, _, err = run("chat", "--continue")
    assert (status, "no conversation 'last'" in err) == (1, True)


# --- what ends a command early


def fail_with(monkeypatch, error):
    def raise_it(_):
        raise error

    monkeypatch.setitem(cli.COMMANDS, "ingest", raise_it)
    monkeypatch.setitem(cli.COMMANDS, "info", raise_it)


def test_what_nobody_expected_is_one_line(run, monkeypatch):
    fail_with(monkeypatch, KeyError("x\ny"))
    status, out, err = run("info")
    assert (status, out) == (1, "")
    assert re.fullmatch(r"footnoted: unexpected KeyError: .*FOOTNOTED_DEBUG=1.*\n", err)


def test_the_trace_is_shown_to_whoever_asks(run, monkeypatch):
    fail_with(monkeypatch, KeyError("x"))
    monkeypatch.setenv("FOOTNOTED_DEBUG", "1")
    assert "Traceback" in run("info")[2]


def test_an_interrupted_ingest_says_how_to_go_on(run, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    status, _, err = run("ingest", "my papers.csv", "--home", "h")
    assert status == 130
    assert "is kept" in err
    assert "footnoted ingest 'my papers.csv' --home h" in err
    assert run("info")[0] == 130


# --- the process itself


def test_streams_and_status_of_a_real_process(environment, home):
    done = footnoted(environment, home.parent, "search", "protein", "--home", "home", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["hits"]
    done = footnoted(environment, home.parent, "ask", "Why?", "--home", "none", "--fail-on-refusal")
    assert done.returncode == 4


def test_a_reader_that_goes_away_is_no_error(environment, home):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "rag.cli", "info", "--home", str(home)],
        env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (cli.PIPE_CLOSED, "")


def test_help_imports_nothing_heavy(environment, tmp_path):
    code = (
        "import sys; from rag.cli import main; main(['ask', '--help']);"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    heavy = {"numpy", "pydantic", "torch", "chromadb", "llama_index", "openai", "httpx", "tqdm"}
    assert not heavy & set(done.stderr.split())
