import gzip
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import SourceNotFound, SourceUnreadable
from rag.sources import SOURCES, guess, open_source, read_lines
from rag.types import Paper, Record, Rejected

ROOT = Path(__file__).parents[2]
ABSTRACT = "Badgers dig in the evening, and nobody has asked them why they do so. " * 5


def line(title: str) -> str:
    return json.dumps({"title": title, "abstract": ABSTRACT}) + "\n"


def titles(records: Iterator[Record]) -> list[object]:
    return [r.title if isinstance(r, Paper) else (Path(r.source).name, r.line) for r in records]


class Shelf:
    """A reader of a user's own."""

    def read(self, address: str) -> Iterator[Record]:
        yield Paper(address, "words")


EXTRA = {"shelf": f"{__name__}:Shelf"}


@pytest.mark.parametrize(
    ("file", "text", "format"),
    [
        ("a.jsonl", "", "jsonl"),
        ("a.NDJSON.gz", "", "jsonl"),
        ("a.csv", "", "csv"),
        ("a.tsv", "", "tsv"),
        ("a.json", line("T"), "jsonl"),
        ("a", "\ufeff\n" + line("T"), "jsonl"),
        ("a", "title,abstract\nT,words\n", "csv"),
        ("a.dat", "title;summary\r\nT;words\n", "csv"),
        ("a.txt", "Title\tText\nT\twords\n", "tsv"),
        ("a.txt", f"new\n\nMoss\n\n{ABSTRACT}\n", "hf_page"),
        ("a.txt.gz", f"Moss\r\r{ABSTRACT}\r", "hf_page"),
    ],
)
def test_guess(tmp_path, file, text, format):
    data = text.encode()
    path = tmp_path / file
    path.write_bytes(gzip.compress(data) if file.endswith(".gz") else data)
    assert guess(str(path)) == format


def test_guess_says_what_it_knows(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear all,\n")
    with pytest.raises(
        SourceUnreadable, match=r"--format with one of: arxiv_atom, beir, bibtex, csv"
    ):
        guess(str(path))


@pytest.mark.parametrize("address", ["nowhere", "nowhere.jsonl", "x\0y", "no*where.csv"])
@pytest.mark.parametrize("format", [None, "jsonl"])
def test_missing(tmp_path, monkeypatch, address, format):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceNotFound, match="no such file"):
        list(open_source(address, format))


def test_a_name_too_long_for_any_file():
    with pytest.raises(SourceUnreadable, match="cannot read"):
        list(open_source("x" * 5000))


def test_an_unknown_format(tmp_path):
    with pytest.raises(SourceUnreadable, match=r"'docx'.*--format with one of: .*jsonl.*shelf"):
        open_source(str(tmp_path), "docx", EXTRA)


def test_format_overrides_the_guess(tmp_path):
    path = tmp_path / "papers.csv"
    path.write_text(line("T"))
    assert titles(open_source(str(path), "jsonl")) == ["T"]


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "p.jsonl").write_text(line("T"))
    assert titles(open_source("~/p.jsonl")) == ["T"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "b.jsonl").write_text(line("B"))
    (tmp_path / "a.csv").write_text("title,abstract\nA,words\n")
    (tmp_path / "c.jsonl").write_text("")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/page.txt").write_text(f"Moss\n\n{ABSTRACT}")
    (tmp_path / "README.md").write_text(f"# Papers\n\n{ABSTRACT}")
    (tmp_path / "script.py").write_text(f"# Badgers\n\n# {ABSTRACT[:150]}\n# {ABSTRACT}\n")
    (tmp_path / "cover.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / ".hidden.jsonl").write_text(line("H"))
    beir = tmp_path / "sets"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text('{"_id": "1", "title": "S", "text": "words"}')
    (beir / "queries.jsonl").write_text('{"_id": "1", "text": "?"}')
    (tmp_path / "loop").symlink_to(tmp_path)
    return tmp_path


def test_a_folder_is_read_in_order_and_one_bad_file_is_a_reject(folder):
    records = list(open_source(str(folder)))
    assert titles(iter(records)) == ["A", "B", ("c.jsonl", 0), "Moss", "S"]
    assert isinstance(records[2], Rejected) and "is empty" in records[2].reason
    assert records[4].id == "1"


def test_a_folder_in_one_format(folder):
    assert titles(open_source(str(folder), "csv")) == ["A"]
    assert titles(open_source(str(folder / "sets"), "jsonl")) == ["S", ("queries.jsonl", 1)]
    assert titles(open_source(str(folder), "hf_page")) == ["Moss"]
    # What a reader of one's own can read is not for us to say.
    found = open_source(str(folder), "shelf", EXTRA)
    assert titles(found) == [str(folder / name) for name in ("README.md", "cover.png", "script.py")]


def test_a_glob(folder):
    assert titles(open_source(str(folder / "*.jsonl"))) == ["B", ("c.jsonl", 0)]
    assert titles(open_source(str(folder / "**/*.txt"))) == ["Moss"]
    # What a pattern names is asked for: it is not passed over.
    assert titles(open_source(str(folder / "*.md"))) == ["Papers"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    (tmp_path / "p[1].jsonl").write_text(line("T"))
    assert titles(open_source(str(tmp_path / "p[1].jsonl"))) == ["T"]


def test_a_folder_without_papers(tmp_path):
    (tmp_path / "README.md").write_text("# Papers")
    with pytest.raises(SourceNotFound, match="nothing to read in"):
        open_source(str(tmp_path))


def test_beir_by_folder_and_by_file(folder):
    assert guess(str(folder / "sets")) == guess(str(folder / "sets/corpus.jsonl")) == "beir"
    assert titles(open_source(str(folder / "sets"))) == ["S"]
    with pytest.raises(SourceUnreadable, match=r"has no corpus\.jsonl"):
        list(open_source(str(folder), "beir"))


@pytest.mark.parametrize("format", [None, "jsonl"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input(monkeypatch, format, pack):
    stdin = io.TextIOWrapper(io.BytesIO(pack((line("T") * 2).encode())))
    monkeypatch.setattr("sys.stdin", stdin)
    assert titles(open_source("-", format)) == ["T", "T"]
    assert not stdin.closed


def test_a_real_pipe(tmp_path):
    script = "from rag.sources import open_source\nprint([r.title for r in open_source('-')])"
    text = line("T") + line("x" * 200_000) + line("U")
    done = subprocess.run(
        [sys.executable, "-c", script.replace("r.title", "getattr(r, 'title', r)")],
        input=text.encode(),
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.startswith(b"['T', Rejected")
    assert done.stdout.endswith(b"'U']\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_needs_a_format(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SourceUnreadable, match=r"is a pipe.*--format"):
        open_source(str(path))
    writer = threading.Thread(target=path.write_text, args=(line("T"),))
    writer.start()
    assert titles(open_source(str(path), "jsonl")) == ["T"]
    writer.join()


def test_a_reader_of_ones_own():
    assert titles(open_source("shelf:who wrote*", extra=EXTRA)) == ["who wrote*"]
    assert titles(open_source("https://x//y", "shelf", EXTRA)) == ["https://x//y"]
    assert set(EXTRA).isdisjoint(SOURCES)


def test_a_gz_that_unpacks_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("rag.sources._unpack._RATIO_FROM", 2**20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(line("T").encode() + b"\n" * 2**22))
    records = list(open_source(str(path)))
    assert records[0].title == "T"
    assert "unpacks to over 100 times its size" in records[1].reason
    path.write_bytes(gzip.compress(b"z" * 2**22))
    with pytest.raises(SourceUnreadable, match="over 100 times its size"):
        list(open_source(str(path)))


def test_bytes_after_the_end_of_a_gz(tmp_path):
    path = tmp_path / "padded.jsonl.gz"
    packed = gzip.compress(line("T").encode())
    path.write_bytes(packed + b"\0" * 99)
    assert titles(open_source(str(path))) == ["T"]
    path.write_bytes(packed + b"junk")
    assert titles(open_source(str(path))) == ["T", ("padded.jsonl.gz", 2)]


def test_a_line_at_the_limit_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("rag.sources._lines.MAX_LINE", 10)
    path = tmp_path / "lines.txt"
    path.write_text("0123456789\n" + "x" * 11 + "\n0123456789", newline="")
    lines = list(read_lines(str(path)))
    assert [(line.number, line.problem) for line in lines] == [
        (1, ""),
        (2, "a line of 11 characters; the limit is 10"),
        (3, ""),
    ]
