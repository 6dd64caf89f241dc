"""Commands about the library as a whole, as a user runs them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from rag import cli
from tests.conftest import make_papers

PAPERS = make_papers(12)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTED_EMBEDDING_NAME", "hashing")
    monkeypatch.setenv("FOOTNOTED_STORE_NAME", "memory")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "papers.jsonl"
    write(path, 12)
    return path


def write(path: Path, count: int, *more: str) -> None:
    lines = [json.dumps(asdict(paper)) for paper in PAPERS[:count]]
    path.write_text("\n".join([*lines, *more]) + "\n", encoding="utf-8")


def run(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> tuple[int, str, str]:
    status = cli.main([*words, "--home", str(home)])
    out, err = capsys.readouterr()
    return status, out, err


def test_a_dry_run_says_what_an_ingest_then_does(capsys, tmp_path: Path, file: Path) -> None:
    home = tmp_path / "home"
    status, out, err = run(capsys, home, "ingest", str(file), "--dry-run")
    assert (status, out) == (0, "would be 12 ingested, 0 unchanged, 0 replaced, 0 rejected\n")
    assert "nothing was written" in err
    assert not home.exists()
    run(capsys, home, "ingest", str(file))
    write(file, 7, '{"title": "Without an abstract"}')
    words = ("ingest", str(file), "--prune", "--strict")
    dry = run(capsys, home, *words, "--dry-run")
    counts = "0 ingested, 7 unchanged, 0 replaced, 1 rejected"
    assert dry[:2] == (3, f"would be {counts}, 5 removed\n")
    assert "line 8: no abstract" in dry[2]
    status, out, err = run(capsys, home, *words)
    assert (status, out) == (3, counts + "\n")
    assert "5 removed, gone from their source" in err
    assert json.loads(run(capsys, home, "info", "--json")[1])["papers"] == 7


def test_prune_wants_whole_sources(capsys, tmp_path: Path, file: Path) -> None:
    for words in (["--prune"], [str(file), "--prune", "--limit", "3"]):
        status, _, err = run(capsys, tmp_path / "home", "ingest", *words)
        assert status == 2
        assert "--prune needs whole sources" in err
    assert not (tmp_path / "home").exists()


def test_export_to_a_file_and_in_again(capsys, tmp_path: Path, file: Path) -> None:
    run(capsys, tmp_path / "home", "ingest", str(file))
    target = tmp_path / "out.jsonl"
    words = ("export", "--format", "jsonl", "--output", str(target), "--year", "2003-2005")
    status, out, err = run(capsys, tmp_path / "home", *words)
    assert (status, out) == (0, "")
    assert str(target) in err
    years = [json.loads(line)["year"] for line in target.read_text().splitlines()]
    assert years == [2003, 2004, 2005]
    status, out, _ = run(capsys, tmp_path / "home", "ingest", str(target))
    assert out == "0 ingested, 3 unchanged, 0 replaced, 0 rejected\n"


def test_export_of_some_papers(capsys, tmp_path: Path, file: Path) -> None:
    run(capsys, tmp_path / "home", "ingest", str(file))
    status, out, err = run(capsys, tmp_path / "home", "export", "p3", "absent")
    assert status == 1
    assert out.count("@") == 1
    assert "no such paper: absent" in err


def test_info_counts_by_year_source_and_venue(capsys, tmp_path: Path, file: Path) -> None:
    run(capsys, tmp_path / "home", "ingest", str(file))
    info = json.loads(run(capsys, tmp_path / "home", "info", "--json")[1])
    assert info["by_source"] == {str(file): 12}
    assert info["by_venue"] == {"Venue 0": 4, "Venue 1": 4, "Venue 2": 4}
    assert info["pending"] is False
    assert info["disk"] == sum(info["disk_by_part"].values()) > 0
    _, out, _ = run(capsys, tmp_path / "home", "info")
    assert "by venue:" in out


def test_snapshot_restore_and_doctor(capsys, tmp_path: Path, file: Path) -> None:
    run(capsys, tmp_path / "home", "ingest", str(file))
    pack = str(tmp_path / "s.zip")
    assert run(capsys, tmp_path / "home", "snapshot", pack)[:2] == (
        0, f"12 papers written to {pack}\n",
    )  # fmt: skip
    status, out, _ = run(capsys, tmp_path / "new", "restore", pack, "--check")
    assert (status, "is whole: 12 papers" in out) == (0, True)
    assert not (tmp_path / "new").exists()
    status, out, _ = run(capsys, tmp_path / "new", "restore", pack)
    assert (status, out.startswith("12 papers restored")) == (0, True)
    assert run(capsys, tmp_path / "new", "doctor")[:2] == (0, "nothing is wrong\n")
    found = json.loads(run(capsys, tmp_path / "new", "search", PAPERS[3].title, "--json")[1])
    assert found["hits"][0]["paper_id"] == "p3"
    status, _, err = run(capsys, tmp_path / "home", "restore", pack)
    assert status == 1
    assert "not empty" in err
    status, _, err = run(capsys, tmp_path / "absent", "doctor")
    assert status == 1
    assert f"footnoted ingest SOURCE --home {tmp_path / 'absent'}" in err


def test_twins_are_shown_once_with_both_ids(capsys, tmp_path: Path) -> None:
    paper = asdict(PAPERS[0])
    preprint = {**paper, "id": "preprint", "title": "Sparse maps of remembered forests"}
    article = {**preprint, "id": "article", "year": paper["year"] + 1}
    lines = (json.dumps(p) + "\n" for p in (preprint, article, asdict(PAPERS[5])))
    (tmp_path / "twins.jsonl").write_text("".join(lines))
    run(capsys, tmp_path / "home", "ingest", str(tmp_path / "twins.jsonl"))
    query = ("search", "remembered forests")
    hits = json.loads(run(capsys, tmp_path / "home", *query, "--json")[1])["hits"]
    assert sum(hit["paper_id"] in ("preprint", "article") for hit in hits) == 1
    assert {hits[0]["paper_id"], *hits[0]["same_as"]} == {"preprint", "article"}
    assert " = " in run(capsys, tmp_path / "home", *query)[1]
