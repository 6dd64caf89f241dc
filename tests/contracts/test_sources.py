"""What every source of papers does, whatever its format. A new format needs a line in SAMPLES."""

import bz2
import gzip
import io
import json
import lzma
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import SourceError, SourceNotFound, SourceUnreadable
from rag.registry import lookup
from rag.sources import SOURCES, Meter, guess, open_source
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
    bad: int
    head: str
    wrong: str
    record: Callable[[str, str], str]
    tail: str = ""

    def text(self, one, two):
        return self.head + self.record(*one) + self.wrong + self.record(*two) + self.tail


def _json(**fields: str) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _element(title: str, abstract: str) -> str:
    return " " + _json(title=title, abstract=abstract).strip() + ",\n"


def _bibtex(title: str, abstract: str) -> str:
    return f"@article{{byron20,\n  title = {{{title}}},\n  abstract = {{{abstract}}}\n}}\n\n"


def _ris(title: str, abstract: str) -> str:
    return f"TY  - JOUR\nTI  - {title}\nAB  - {abstract}\nER  - \n\n"


def _medline(title: str, abstract: str) -> str:
    return f"PMID- 123\nTI  - {title}\nAB  - {abstract}\n\n"


def _pubmed(title: str, abstract: str) -> str:
    return (
        "<PubmedArticle><MedlineCitation><PMID>123</PMID><Article>"
        f"<ArticleTitle>{escape(title)}</ArticleTitle>"
        f"<Abstract><AbstractText>{escape(abstract)}</AbstractText></Abstract>"
        "</Article></MedlineCitation></PubmedArticle>\n"
    )


def _entry(title: str, abstract: str) -> str:
    return f"<entry><title>{escape(title)}</title><summary>{escape(abstract)}</summary></entry>\n"


def _shown(title: str, abstract: str) -> str:
    return f"<article><h3>{escape(title)}</h3>\n<p>{escape(abstract)}</p></article>\n"


def _reject(title: str, abstract: str) -> str:
    raw = json.dumps({"title": title, "abstract": abstract}, ensure_ascii=False)
    return _json(source="a.jsonl", line=7, reason="no title", raw=raw, format="jsonl")


ATOM = '<?xml version="1.0"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
PUBMED = (
    '<?xml version="1.0"?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" '
    '"https://dtd.example/pubmed.dtd">\n<PubmedArticleSet>\n'
)
SAMPLES = {
    "arxiv_atom": Sample(
        "feed.xml", 4, ATOM, "<entry><title>cut</titel></entry>\n", _entry, "</feed>\n"
    ),
    "beir": Sample(
        "corpus.jsonl", 2, "", "[1, 2]\n", lambda t, a: _json(_id="7", title=t, text=a)
    ),
    "bibtex": Sample("papers.bib", 6, "", "@article{cut, title = {So\n\n", _bibtex),
    "csv": Sample(
        "papers.csv", 3, "title,abstract\n", "one,two,three\n", lambda t, a: f'"{t}","{a}"\n'
    ),
    "hf_html": Sample(
        "page.html", 4, "<!DOCTYPE html><html>\n", f"<p>{STRAY}</p>\n", _shown, "</html>\n"
    ),
    "hf_page": Sample(
        "page.txt", 7, "Subscribe\n\n", STRAY + "\n\n", lambda t, a: f"{t}\n\n{a}\n\n"
    ),
    "json": Sample("papers.json", 3, "[\n", ' {"title": cut},\n', _element, "]\n"),
    "jsonl": Sample(
        "papers.jsonl", 2, "", '{"title": "cut\n', lambda t, a: _json(title=t, abstract=a)
    ),
    "medline": Sample("pubmed.nbib", 5, "", "PMID- 7\nTI  - Alone\n\n", _medline),
    "pubmed_xml": Sample(
        "pubmed.xml", 5, PUBMED, "<PubmedArticle><b></PubmedArticle>\n", _pubmed,
        "</PubmedArticleSet>\n",
    ),
    "rejected": Sample("rejected.jsonl", 2, "", '{"source": "cut\n', _reject),
    "ris": Sample("papers.ris", 6, "", "TY  - JOUR\nTI  - Alone\n\n", _ris),
    "text": Sample(
        "papers.txt", 6, "", "Title: Alone\n\n",
        lambda t, a: f"Title: {t}\nAuthors: Ada Byron\n\nAbstract: {a}\n\n",
    ),
    "tsv": Sample("papers.tsv", 3, "title\tabstract\n", "alone\n", lambda t, a: f"{t}\t{a}\n"),
}  # fmt: skip
BINARY = {"parquet"}  # not text; what all formats have in common is tried on it too
WHOLE = {"hf_html"}  # one page, held in memory, of which there is a limit
NOT_IN_LINES = {"arxiv_atom", "hf_html", "json", "pubmed_xml"}
GOOD = tuple(zip(TITLES, ABSTRACTS, strict=True))
PACKERS = {
    "": bytes, ".gz": gzip.compress, ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lzma.compress, ".zst": zstd.compress,
}  # fmt: skip


def _parquet(*rows: tuple[str | None, str | None]) -> bytes:
    titles, abstracts = zip(*rows, strict=True)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"title": titles, "abstract": abstracts, "vector": titles}), buffer)
    return buffer.getvalue()


def file_name(name: str) -> str:
    return "papers.parquet" if name == "parquet" else SAMPLES[name].file


def good_bad_good(name: str) -> bytes:
    if name == "parquet":
        return _parquet(GOOD[0], ("Alone", None), GOOD[1])
    return SAMPLES[name].text(*GOOD).encode()


@pytest.fixture(params=sorted(set(SOURCES) - BINARY))
def name(request):
    return request.param


@pytest.fixture(params=sorted(SOURCES))
def any_name(request):
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


def shown(records):
    return [r.title if isinstance(r, Paper) else Rejected for r in records]


EXPECTED = [TITLES[0], Rejected, TITLES[1]]


def test_yields_every_good_record_and_says_what_is_wrong_with_the_bad(read, sample, tmp_path):
    first, bad, second = read(sample.text(*GOOD))
    assert [(p.title, p.abstract) for p in (first, second)] == list(GOOD)
    assert isinstance(bad, Rejected)
    assert bad.line == sample.bad
    assert bad.source == str(tmp_path / sample.file)
    assert bad.reason
    at = sample.text(*GOOD).split("\n")[sample.bad - 1]
    assert bad.raw.split("\n")[0][:20] in at
    assert bad.raw


def test_keeps_the_text_that_a_paper_was_made_from(any_name, tmp_path):
    path = tmp_path / file_name(any_name)
    path.write_bytes(good_bad_good(any_name))
    first, _, second = open_source(str(path), any_name)
    for paper, (title, abstract) in ((first, GOOD[0]), (second, GOOD[1])):
        assert title in paper.raw
        assert abstract[:100] in paper.raw


def test_is_guessed(any_name, tmp_path):
    path = tmp_path / file_name(any_name)
    path.write_bytes(good_bad_good(any_name))
    if any_name == "beir":
        (tmp_path / "qrels").mkdir()
    assert guess(str(path)) == any_name


@pytest.mark.parametrize("suffix", PACKERS)
def test_reads_what_is_packed(any_name, suffix, tmp_path):
    path = tmp_path / (file_name(any_name) + suffix)
    path.write_bytes(PACKERS[suffix](good_bad_good(any_name)))
    if any_name == "beir":
        (tmp_path / "qrels").mkdir()
    assert guess(str(path)) == any_name
    meter = Meter()
    assert shown(open_source(str(path), meter=meter)) == EXPECTED
    assert meter.done >= meter.total == path.stat().st_size


def test_reads_what_is_in_a_zip(any_name, tmp_path):
    path = tmp_path / "papers.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"deep/{file_name(any_name)}", good_bad_good(any_name))
        archive.writestr("README.md", "# Papers")
        if any_name == "beir":
            archive.writestr("deep/queries.jsonl", "{}")
    assert shown(open_source(str(path))) == EXPECTED


@pytest.mark.parametrize("suffix", PACKERS)
def test_reads_standard_input(any_name, suffix, monkeypatch):
    data = PACKERS[suffix](good_bad_good(any_name))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert shown(open_source("-", any_name)) == EXPECTED


def test_a_reject_that_was_mended_is_taken(any_name, tmp_path):
    path = tmp_path / file_name(any_name)
    path.write_bytes(good_bad_good(any_name))
    rejects = tmp_path / "again.jsonl"
    _, bad, _ = open_source(str(path), any_name)
    assert bad.format
    rejects.write_text(json.dumps(asdict(bad)))
    assert guess(str(rejects)) == "rejected"
    assert shown(open_source(str(rejects))) == [Rejected]
    # What a person would put in its place, in the format that the reject names.
    mended = _json(title=TITLES[0], abstract=ABSTRACTS[0])
    if bad.format in SAMPLES and bad.format != "json":
        mended = SAMPLES[bad.format].record(*GOOD[0])
    rejects.write_text(json.dumps({**asdict(bad), "raw": mended.strip()}))
    (paper,) = open_source(str(rejects))
    assert (paper.title, paper.abstract) == GOOD[0]


@pytest.mark.parametrize(
    "data", [b"", b" \n\n \r\n\t\n", b"\xef\xbb\xbf", b"\xff\xfe", gzip.compress(b"")]
)
def test_empty_is_unreadable(any_name, tmp_path, data):
    path = tmp_path / file_name(any_name)
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable, match=r"is empty|cannot read"):
        list(_reader(any_name).read(str(path)))


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 40, b"\0" * 5000, b"%PDF-1.7\n" + b"text " * 99, b"\x89PNG\0\0\1"]
)
def test_binary_is_unreadable(any_name, tmp_path, data):
    path = tmp_path / "binary"
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable):
        list(_reader(any_name).read(str(path)))


def test_missing_is_not_found(any_name, tmp_path):
    with pytest.raises(SourceNotFound, match=r"no such file: .*nowhere\.x\. Check the path"):
        list(_reader(any_name).read(str(tmp_path / "nowhere.x")))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_change_nothing(read, sample, encoding, end):
    text = sample.text(*GOOD)
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    assert read((mark + text).replace("\n", end).encode(encoding)) == read(text)


def test_latin_1_is_read_as_such(read, sample):
    title, abstract = GOOD[0]
    text = sample.text((title, abstract.replace("forest", "f\u00f6rest")), GOOD[1])
    paper = read(text.encode("latin-1"))[0]
    assert isinstance(paper, Paper)
    assert "f\u00f6rest" in paper.abstract


def test_bytes_of_no_known_encoding_are_replaced(read, sample):
    text = sample.text((TITLES[0], ABSTRACTS[0].replace("forest", "WOODS")), GOOD[1])
    paper = read(text.encode().replace(b"WOODS", b"\xfe\xff\xfe\xff"))[0]
    assert isinstance(paper, Paper)
    assert "\ufffd" in paper.abstract


def test_gz_equals_plain(read, sample):
    text = sample.text(*GOOD)
    packed = gzip.compress(text[:100].encode()) + gzip.compress(text[100:].encode())
    plain = read(text)
    unpacked = read(packed, sample.file + ".gz")
    assert [r for r in unpacked if isinstance(r, Paper)] == [plain[0], plain[2]]
    assert (unpacked[1].line, unpacked[1].raw) == (plain[1].line, plain[1].raw)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_what_is_packed_and_cut_short_gives_what_is_left_and_a_reject(read, name, suffix):
    if name in WHOLE:
        pytest.skip("a page is read whole or not at all")
    packed = PACKERS[suffix](_many(SAMPLES[name], 999).encode())
    records = read(packed[: -len(packed) // 20], SAMPLES[name].file + suffix)
    assert isinstance(records[0], Paper)
    assert "damaged" in records[-1].reason
    assert records[-1].line > 1


def _many(sample: Sample, count: int) -> str:
    rng = random.Random(5)
    words = [f"{rng.getrandbits(64):x}" for _ in range(count)]
    records = (sample.record(f"{TITLES[0]} {word}", ABSTRACTS[0]) for word in words)
    return sample.head + "".join(records) + sample.tail


def test_text_ends_lines_only_where_lines_end(read, sample):
    odd = ABSTRACTS[0].replace(" ", "\u2028", 3).replace(" ", "\x85", 1).replace(" ", "\x0b", 1)
    assert read(sample.text((TITLES[0], odd), GOOD[1])) == read(sample.text(*GOOD))


def test_a_paper_that_stands_there_twice_comes_out_twice(read, sample):
    first, _, second = read(sample.text(GOOD[0], GOOD[0]))
    assert first == second


def test_an_abstract_of_ten_megabytes_is_rejected_and_the_next_kept(read, name, sample):
    huge = "word " * (2 * 2**20)
    rejected, *_, last = read(sample.text((TITLES[0], huge), GOOD[1]))
    assert "the limit is 50,000" in rejected.reason or name == "rejected"
    assert len(rejected.raw) <= 100_000
    assert last.title == TITLES[1]


def test_a_line_over_the_limit_is_skipped(read, name, sample, monkeypatch):
    if name in NOT_IN_LINES:
        pytest.skip("this format is not made of lines")
    monkeypatch.setattr("rag.sources._lines.MAX_LINE", 3000)
    rejected, *_, last = read(sample.text((TITLES[0], "z" * 9000), GOOD[1]))
    assert "the limit is 3,000" in rejected.reason
    assert len(rejected.raw) == 200
    assert last.title == TITLES[1]


def test_streams_in_bounded_memory(name, sample, tmp_path):
    if name in WHOLE:
        pytest.skip("a page is held whole, up to a limit")
    path = tmp_path / sample.file
    path.write_text(_many(sample, 2000), encoding="utf-8")
    records = _reader(name).read(str(path))
    assert sum(1 for _ in islice(records, 400)) == 400  # by now, all is imported
    tracemalloc.start()
    try:
        assert sum(1 for _ in islice(records, 400)) == 400
        before = tracemalloc.get_traced_memory()[1]
        assert sum(isinstance(record, Paper) for record in records) == 1200
        assert tracemalloc.get_traced_memory()[1] < before + 100_000 < 900_000
    finally:
        tracemalloc.stop()


def test_takes_no_more_than_it_needs(name, sample, monkeypatch):
    if name in WHOLE:
        pytest.skip("a page is held whole, up to a limit")
    stream = io.BytesIO(_many(sample, 3000).encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(stream)))
    assert isinstance(next(iter(_reader(name).read("-"))), Paper)
    assert stream.tell() < 200_000 < len(stream.getvalue())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 9))))
def test_a_mutated_file_raises_nothing_but_source_errors(any_name, tmp_path, cuts):
    data = good_bad_good(any_name)
    for place, inserted, removed in cuts:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + removed :]
    path: Path = tmp_path / file_name(any_name)
    path.write_bytes(data)
    try:
        records = list(_reader(any_name).read(str(path)))
    except SourceError as error:
        assert str(error).endswith(".")
    else:
        assert all(isinstance(record, (Paper, Rejected)) for record in records)
        assert all(record.line > 0 for record in records if isinstance(record, Rejected))
