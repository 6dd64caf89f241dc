"""What every source of papers does, whatever its format. A new format needs a line in SAMPLES."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import SourceError, SourceNotFound, SourceUnreadable
from rag.registry import lookup
from rag.sources import SOURCES, guess
from rag.types import Paper, Rejected

TITLES = ("Herding Squirrels with Sparse Maps", "Moss as a Clock: Slow Signals in Wet Forests")
ABSTRACTS = (
    "Squirrels forget where they bury most of what they gather, and yet the forest stands. We "
    "describe a sparse map that forgets in the same way and show that it finds nine of ten caches "
    "with a tenth of the memory, in three forests and across two winters of patient counting.",
    "Moss grows at a pace that nobody watches. We mount forty cameras on wet stones, keep them "
    "dry for a year, and read from the edge of each cushion a clock that is wrong by less than "
    "two days in a season; storms, boots and one curious badger are the main sources of error.",
)
STRAY = "An abstract that lost its title " + "wanders about the page and " * 20 + "ends."


class Sample(NamedTuple):
    """A file in which `bad` is the line of the one bad record, between two good ones."""

    file: str
    text: Callable[[tuple[str, str], tuple[str, str]], str]
    bad: int
    head: str
    record: Callable[[str, str], str]


def _json(**fields: str) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _rows(head: str, bad: str, record: Callable[[str, str], str]) -> Callable[..., str]:
    return lambda one, two: head + record(*one) + bad + record(*two)


def _sample(file: str, head: str, bad: str, line: int, record: Callable[[str, str], str]) -> Sample:
    return Sample(file, _rows(head, bad, record), line, head, record)


SAMPLES = {
    "jsonl": _sample(
        "papers.jsonl", "", '{"title": "cut\n', 2, lambda t, a: _json(title=t, abstract=a)
    ),
    "beir": _sample(
        "corpus.jsonl", "", "[1, 2]\n", 2, lambda t, a: _json(_id="7", title=t, text=a)
    ),
    "csv": _sample(
        "papers.csv", "title,abstract\n", "one,two,three\n", 3, lambda t, a: f'"{t}","{a}"\n'
    ),
    "tsv": _sample("papers.tsv", "title\tabstract\n", "alone\n", 3, lambda t, a: f"{t}\t{a}\n"),
    "hf_page": _sample(
        "page.txt", "Subscribe\n\n", STRAY + "\n\n", 7, lambda t, a: f"{t}\n\n{a}\n\n"
    ),
}
GOOD = tuple(zip(TITLES, ABSTRACTS, strict=True))


@pytest.fixture(params=sorted(SOURCES))
def name(request):
    return request.param


@pytest.fixture
def sample(name):
    assert name in SAMPLES, f"give '{name}' a sample here"
    return SAMPLES[name]


@pytest.fixture
def read(name, sample, tmp_path):
    """Write bytes to a file and read it back."""

    def read_bytes(data: bytes | str, file: str = ""):
        path = tmp_path / (file or sample.file)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return list(_reader(name).read(str(path)))

    return read_bytes


def _reader(name):
    return lookup("source", name, SOURCES)()


def test_yields_every_good_record_and_says_what_is_wrong_with_the_bad(read, sample, tmp_path):
    first, bad, second = read(sample.text(*GOOD))
    assert [(p.title, p.abstract) for p in (first, second)] == list(GOOD)
    assert isinstance(bad, Rejected)
    assert bad.line == sample.bad
    assert bad.source == str(tmp_path / sample.file)
    assert bad.reason
    assert sample.text(*GOOD).split("\n")[sample.bad - 1].startswith(bad.raw[:20])
    assert bad.raw


def test_is_guessed(name, sample, tmp_path):
    path = tmp_path / sample.file
    path.write_text(sample.text(*GOOD), encoding="utf-8")
    if name == "beir":
        (tmp_path / "qrels").mkdir()
    assert guess(str(path)) == name


@pytest.mark.parametrize(
    "data", [b"", b" \n\n \r\n\t\n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")]
)
def test_empty_is_unreadable(read, data):
    with pytest.raises(SourceUnreadable, match="is empty"):
        read(data)


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 40, b"\0" * 5000, b"%PDF-1.7\n" + b"text " * 99, b"\x89PNG\0\0\1"]
)
def test_binary_is_unreadable(read, data):
    with pytest.raises(SourceUnreadable):
        read(data)


def test_missing_is_not_found(name, tmp_path):
    with pytest.raises(SourceNotFound, match=r"no such file: .*nowhere\.x\. Check the path"):
        list(_reader(name).read(str(tmp_path / "nowhere.x")))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_change_nothing(read, sample, encoding, end):
    text = sample.text(*GOOD)
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    assert read((mark + text).replace("\n", end).encode(encoding)) == read(text)


def test_invalid_utf8_is_replaced_and_the_paper_kept(read, sample):
    title, abstract = GOOD[0]
    text = sample.text((title, abstract.replace("forest", "f\u00f6rest")), GOOD[1])
    paper = read(text.encode("latin-1"))[0]
    assert isinstance(paper, Paper)
    assert "f\ufffdrest" in paper.abstract


def test_gz_equals_plain(read, sample):
    text = sample.text(*GOOD)
    packed = gzip.compress(text[:100].encode()) + gzip.compress(text[100:].encode())
    plain = read(text)
    unpacked = read(packed, sample.file + ".gz")
    assert [r for r in unpacked if isinstance(r, Paper)] == [plain[0], plain[2]]
    assert (unpacked[1].line, unpacked[1].raw) == (plain[1].line, plain[1].raw)


def test_a_gz_cut_short_gives_what_is_left_and_a_reject(read, sample):
    text = sample.head + "".join(
        sample.record(f"{TITLES[0]} {n}", ABSTRACTS[0]) for n in range(999)
    )
    records = read(gzip.compress(text.encode())[:-200], sample.file + ".gz")
    assert isinstance(records[0], Paper)
    assert "damaged" in records[-1].reason
    assert records[-1].line > 1


def test_text_ends_lines_only_where_lines_end(read, sample):
    odd = ABSTRACTS[0].replace(" ", "\u2028", 3).replace(" ", "\x85", 1).replace(" ", "\x0b", 1)
    assert read(sample.text((TITLES[0], odd), GOOD[1])) == read(sample.text(*GOOD))


def test_a_paper_that_stands_there_twice_comes_out_twice(read, sample):
    first, _, second = read(sample.text(GOOD[0], GOOD[0]))
    assert first == second


def test_an_abstract_of_ten_megabytes_is_rejected_and_the_next_kept(read, sample):
    huge = "word " * (2 * 2**20)
    rejected, *_, last = read(sample.text((TITLES[0], huge), GOOD[1]))
    assert "the limit is 50,000" in rejected.reason
    assert len(rejected.raw) <= 2000
    assert last.title == TITLES[1]


def test_a_line_over_the_limit_is_skipped(read, sample, monkeypatch):
    monkeypatch.setattr("rag.sources._lines.MAX_LINE", 3000)
    rejected, *_, last = read(sample.text((TITLES[0], "z" * 9000), GOOD[1]))
    assert "the limit is 3,000" in rejected.reason
    assert len(rejected.raw) == 200
    assert last.title == TITLES[1]


def test_streams_in_bounded_memory(name, sample, tmp_path):
    path = tmp_path / sample.file
    block = "".join(sample.record(f"{TITLES[0]} {n}", ABSTRACTS[0]) for n in range(1000))
    path.write_text(sample.head + block * 5, encoding="utf-8")
    tracemalloc.start()
    try:
        records = _reader(name).read(str(path))
        assert all(isinstance(record, Paper) for record in islice(records, 10))
        assert tracemalloc.get_traced_memory()[1] < 700_000
        assert sum(1 for _ in records) == 4_990
        assert tracemalloc.get_traced_memory()[1] < 700_000 < path.stat().st_size / 2
    finally:
        tracemalloc.stop()


def test_takes_no_more_than_it_needs(name, sample, monkeypatch):
    block = "".join(sample.record(f"{TITLES[0]} {n}", ABSTRACTS[0]) for n in range(1000))
    stream = io.BytesIO((sample.head + block * 3).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(stream)))
    assert isinstance(next(iter(_reader(name).read("-"))), Paper)
    assert stream.tell() < 200_000 < len(stream.getvalue())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 9))))
def test_a_mutated_file_raises_nothing_but_source_errors(name, sample, tmp_path, cuts):
    data = sample.text(*GOOD).encode()
    for place, inserted, removed in cuts:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + removed :]
    path: Path = tmp_path / sample.file
    path.write_bytes(data)
    try:
        records = list(_reader(name).read(str(path)))
    except SourceError as error:
        assert str(error).endswith(".")
    else:
        assert all(isinstance(record, (Paper, Rejected)) for record in records)
        assert all(record.line > 0 for record in records if isinstance(record, Rejected))
