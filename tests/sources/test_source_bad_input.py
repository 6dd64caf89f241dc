"""What files in the wild, and people with bad intentions, put in front of a reader."""

import csv
import gzip
import io
import json
import lzma
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from backports import zstd

from rag.errors import SourceError, SourceUnreadable
from rag.sources import SOURCES, open_source
from rag.types import Paper, Rejected
from tests.conftest import ROOT
from tests.contracts.test_sources import (
    EXPECTED,
    GOOD,
    PACKERS,
    SAMPLES,
    TITLES,
    file_name,
    good_bad_good,
    shown,
)

SECURITY = ROOT.parent / "shared/data/security"
JSON_FILES = sorted(SECURITY.glob("jsontestsuite/*/*.json"))
NAUGHTY = SECURITY / "blns/blns.json"
MARKED = b'{"title": "Good", "abstract": "Some words here."}'


def read(path, format=None):
    """What comes out of a file: nothing but records, or a SourceError that ends in a dot."""
    try:
        records = list(open_source(str(path), format))
    except SourceError as error:
        assert str(error).endswith("."), error
        return []
    for record in records:
        assert isinstance(record, (Paper, Rejected))
        if isinstance(record, Rejected):
            assert record.reason
            assert len(record.raw) <= 100_000
        else:
            (record.title + record.abstract + record.raw + "".join(record.authors)).encode()
    return records


def good(records):
    return sum(isinstance(record, Paper) and record.title == "Good" for record in records)


# --- JSON


@pytest.mark.skipif(not JSON_FILES, reason=f"needs the JSON test suite in {SECURITY}")
@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("line.jsonl", MARKED + b"\n", b"\n" + MARKED),
        ("value.jsonl", MARKED + b'\n{"title": "T", "abstract": "words", "x":', b"}\n" + MARKED),
        ("element.json", b"[\n" + MARKED + b",\n", b",\n" + MARKED + b"\n]"),
        ("inside.json", b'{"results": [\n' + MARKED + b",\n", b",\n" + MARKED + b"\n]}"),
        ("whole.json", b"", b""),
    ],
)
def test_the_json_test_suite(tmp_path, file, before, after):
    lost = []
    for path in JSON_FILES:
        data = path.read_bytes()
        if file.endswith("l"):
            data = data.replace(b"\n", b" ").replace(b"\r", b" ")
        (tmp_path / file).write_bytes(before + data + after)
        if good(read(tmp_path / file)) < before.count(MARKED) + after.count(MARKED):
            lost.append(path.name)
    assert len(JSON_FILES) == 340
    # Brackets that are balanced and wrong can also be one record with others inside.
    assert lost == (["n_structure_open_object_open_array.json"] if file == "inside.json" else [])


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ('{"meta": {"n": 2}, "results": [{"title": "A", "abstract": "x y"}]}', ["A"]),
        ('{"message": {"items": [{"title": ["A"], "abstract": "x y"}]}}', ["A"]),
        ('{"title": "A", "abstract": "x y", "authors": [{"name": "Ada"}]}', ["A"]),
        ('{"1": {"title": "A", "abstract": "x"}, "2": {"title": "B", "text": "y"}}', ["A", "B"]),
        ('[{"title": "A", "abstract": "x"}, 7, {"title": "B", "abstract": "y"}]', ["A", 0, "B"]),
        ('{"title": "A",\n "abstract": "x"}\n{"title": "B",\n "abstract": "y"}', ["A", "B"]),
        ('[{"title": "A", "abstract": "x"}, {"title": "B", "abstract": "y"}', ["A", "B", 0]),
        ('[{"title": "A", "abstract": "x},\n{"title": "B", "abstract": "y"}]', [0, "B"]),
        ('[{"title": "A", "title": "B", "abstract": "x"}, {"title": "C", "text": "y"}]', [0, "C"]),
        ('[{"title": "A", "abstract": "x"}] {"title": "B", "abstract": "y"}', ["A", "B"]),
        ("[" * 100_000, [0, 0]),
        ('{"a":' * 100_000, [0]),
    ],
)  # fmt: skip
def test_json_in_many_forms(tmp_path, text, titles):
    path = tmp_path / "papers.json"
    path.write_text(text)
    records = read(path, "json")
    assert [r.title if isinstance(r, Paper) else 0 for r in records] == titles


# --- strings


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def comma_separated(rows):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["title", "abstract", "authors", "id"])
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def atom(rows):
    def entry(row):
        return (
            f"<entry><id>{escape(row['id'])}</id><title>{escape(row['title'])}</title><author>"
            f"<name>{escape(row['authors'])}</name></author><summary>{escape(row['abstract'])}"
            "</summary></entry>\n"
        )

    return f"<feed>{''.join(map(entry, rows))}</feed>"


def bibtex(rows):
    return "\n".join(
        f"@misc{{{row['id']},\ntitle = {{{row['title']}}},\nauthor = {{{row['authors']}}},\n"
        f"abstract = {{{row['abstract']}}}\n}}\n"
        for row in rows
    )


def ris(rows):
    return "".join(
        f"TY  - JOUR\nID  - {row['id']}\nTI  - {row['title']}\nAU  - {row['authors']}\n"
        f"AB  - {row['abstract']}\nER  - \n"
        for row in rows
    )


def medline(rows):
    return "".join(
        f"PMID- {row['id']}\nTI  - {row['title']}\nFAU - {row['authors']}\nAB  - "
        f"{row['abstract']}\n\n"
        for row in rows
    )


WRITERS = {
    "jsonl": (jsonl, True), "csv": (comma_separated, True), "arxiv_atom": (atom, True),
    "bibtex": (bibtex, False), "ris": (ris, False), "medline": (medline, False),
}  # fmt: skip


@pytest.mark.skipif(not NAUGHTY.exists(), reason=f"needs the naughty strings in {SECURITY}")
@pytest.mark.parametrize("field", ["title", "abstract", "authors", "id"])
@pytest.mark.parametrize("name", WRITERS)
def test_the_naughty_strings(tmp_path, name, field):
    strings = json.loads(NAUGHTY.read_text(encoding="utf-8"))
    assert len(strings) == 515
    write, escapes = WRITERS[name]
    plain = {"title": "Good", "abstract": "Some words here.", "authors": "Ada Byron", "id": "7"}
    rows = [row for s in strings for row in (plain, {**plain, "title": "Bad", field: s})]
    path = tmp_path / f"naughty.{name}"
    path.write_bytes(write([*rows, plain]).encode("utf-8", "surrogatepass"))
    records = read(path, name)
    if escapes:  # each record is accounted for
        assert len(records) == 2 * 515 + 1
    assert good(records) >= 516 - (0 if escapes else 5)
    if field in ("authors", "id") and escapes:
        assert not [r for r in records if isinstance(r, Rejected)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"year": 0}, {"year": None}),
        ({"year": "99999"}, {"year": None}),
        ({"date": "-0001-01-01"}, {"year": None}),
        ({"year": 1e400}, None),
        ({"title": "T\x00i\x00t"}, {"title": "Tit"}),
        ({"title": "T\ud800"}, {"title": "T"}),
        ({"authors": [f"Author {n}" for n in range(10_000)]}, {"year": None}),
        ({"doi": "10.1000/" + "x" * 100_000}, {"doi": None}),
        ({"versions": [{"version": "v" + "9" * 500}], "authors_parsed": []}, {"version": None}),
        ({"abstract_inverted_index": {"far": [10**30], "x": ["y"], "near": [0]}}, None),
        ({"abstract_inverted_index": {"far": [10**8], "near": [0]}}, {"abstract": "near far"}),
        ({"issued": {"date-parts": [[2020, 5]]}}, {"year": 2020}),
        ({"year": {"year": {"year": {}}}}, {"year": None}),
    ],
)  # fmt: skip
def test_odd_values(tmp_path, fields, expected):
    path = tmp_path / "odd.jsonl"
    path.write_text(jsonl([{"title": "T", "abstract": "Some words", **fields}]))
    (record,) = read(path)
    if expected is None:
        return
    assert isinstance(record, Paper)
    assert {name: getattr(record, name) for name in expected} == expected
    if "authors" in fields:
        assert len(record.authors) == 10_000


# --- damage


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_files_that_were_damaged_at_random(tmp_path, name):
    rng = random.Random(20)
    whole = good_bad_good(name)
    for round in range(80):
        data = bytearray(whole)
        suffix = rng.choice(list(PACKERS))
        if round % 3 == 0:
            data = bytearray(PACKERS[suffix](bytes(data)))
        for _ in range(rng.choice([1, 2, 9])):
            _damage(data, rng)
        path = tmp_path / (file_name(name) + suffix)
        path.write_bytes(data)
        read(path, name)
        read(path)


def _damage(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data)) if data else 0
    kind = rng.randrange(5)
    if kind == 0 and data:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + rng.randrange(60)]
    elif kind == 3:
        data[at:at] = rng.choice([b"\0", b'"', b"{", b"<", b"&", b"\\", b"\xed\xa0\x80", b"<![C"])
    else:
        data[at:at] = data[at : at + 200]


# --- what is packed


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_bomb_gives_what_stands_before_it_and_a_reject(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr("rag.sources._unpack._RATIO_FROM", 2**20)
    path = tmp_path / f"bomb.jsonl{suffix}"
    path.write_bytes(PACKERS[suffix](MARKED + b"\n" + b" " * 2**24))
    records = read(path)
    assert good(records) == 1
    assert "unpacks to over 100 times its size" in records[-1].reason


def test_a_bomb_in_a_zip(tmp_path, monkeypatch):
    monkeypatch.setattr("rag.sources._unpack._RATIO_FROM", 2**20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", MARKED + b"\n" + b" " * 2**23)
        archive.writestr("b.jsonl", MARKED)
    records = read(tmp_path / "bomb.zip")
    assert good(records) == 2
    assert "unpacks to over 100 times its size" in records[1].reason


def test_what_is_packed_again_and_again(tmp_path):
    data = MARKED
    for depth in range(1, 6):
        data = gzip.compress(data)
        path = tmp_path / f"{depth}.jsonl.gz"
        path.write_bytes(data)
        assert good(read(path)) == (depth <= 3)
    with pytest.raises(SourceUnreadable, match="packed over 3 times over"):
        list(open_source(str(path)))


def test_an_xz_or_zst_that_wants_all_memory_gets_none(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**30}]
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(MARKED, filters=filters))
    window = {zstd.CompressionParameter.window_log: 30}
    packer = zstd.ZstdCompressor(options=window)
    data = packer.compress(MARKED) + packer.compress(b"\n" * 10) + packer.flush()
    (tmp_path / "a.jsonl.zst").write_bytes(data)
    for suffix in ("xz", "zst"):
        with pytest.raises(SourceUnreadable, match=f"the .{suffix} is damaged"):
            list(open_source(str(tmp_path / f"a.jsonl.{suffix}")))


def test_a_zip_writes_nothing_whatever_its_names(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    names = ["../evil.jsonl", "/tmp/evil2.jsonl", "a/../../b.jsonl", "C:\\c.jsonl", "x\ny.jsonl"]
    with zipfile.ZipFile("names.zip", "w") as archive:
        for name in names:
            archive.writestr(name, MARKED)
    before = sorted(tmp_path.rglob("*"))
    assert good(read("names.zip")) == 5
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/evil2.jsonl").exists()


def test_a_zip_in_a_zip_is_said_to_be_one(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.jsonl", MARKED)
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("b.jsonl", MARKED)
    bad, paper = open_source(str(tmp_path / "outer.zip"))
    assert "inner.zip is a zip" in bad.reason
    assert paper.title == "Good"


def test_a_zip_whose_parts_overlap_is_refused(tmp_path):
    path = tmp_path / "overlap.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in "ab":
            archive.writestr(f"{name}.jsonl", MARKED)
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)  # both begin at 0
    path.write_bytes(data)
    with pytest.raises(SourceUnreadable, match="its parts overlap"):
        list(open_source(str(path)))


def test_an_office_file_gets_advice(tmp_path):
    with zipfile.ZipFile(tmp_path / "table.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    with pytest.raises(SourceUnreadable, match="Office file; export it as CSV"):
        list(open_source(str(tmp_path / "table.xlsx")))


# --- XML


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "boom"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY b SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;',
    ],
)
@pytest.mark.parametrize("name", ["arxiv_atom", "pubmed_xml"])
def test_entities_are_neither_grown_nor_fetched(tmp_path, name, declared):
    sample = SAMPLES[name]
    text = sample.head.replace("?>\n", f"?>\n<!DOCTYPE x [{declared}]>\n", 1)
    if name == "pubmed_xml":
        text = text.replace(sample.head.split("\n")[1] + "\n", "")
    text += sample.record(*GOOD[0]) + sample.record("X MARK", "y").replace("MARK", "&b;")
    path = tmp_path / sample.file
    path.write_text(text + sample.record(*GOOD[1]) + sample.tail)
    assert shown(read(path, name)) == EXPECTED
    assert "undefined entity" in read(path, name)[1].reason


def test_a_doctype_in_the_middle(tmp_path):
    sample = SAMPLES["arxiv_atom"]
    path = tmp_path / "feed.xml"
    path.write_text(
        sample.head + sample.record(*GOOD[0]) + '<entry><!DOCTYPE x [<!ENTITY a "b">]>&a;</entry>'
        + sample.record(*GOOD[1]) + sample.tail
    )  # fmt: skip
    assert shown(read(path)) == EXPECTED


def test_deep_nesting_in_xml(tmp_path):
    sample = SAMPLES["arxiv_atom"]
    deep = "<summary>" + "<b>" * 50_000 + "words" + "</b>" * 50_000 + "</summary>"
    path = tmp_path / "feed.xml"
    path.write_text(
        f"{sample.head}<entry><title>Deep</title>{deep}</entry>{sample.record(*GOOD[1])}"
    )
    first, second = read(path)
    assert isinstance(first, (Paper, Rejected))
    assert second.title == TITLES[1]


# --- folders


def test_a_link_out_of_the_folder_is_not_followed_but_reported(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    (tmp_path / "secret.jsonl").write_bytes(MARKED)
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (folder / "own.jsonl").write_bytes(MARKED)
    (folder / "within.jsonl").symlink_to(folder / "own.jsonl")
    bad, paper = open_source(str(folder))
    assert "link out of the folder" in bad.reason
    assert paper.title == "Good"
    assert good(read(folder / "link.jsonl")) == 1  # named, it is asked for


# --- size


@pytest.mark.parametrize("name", ["jsonl", "json", "csv", "bibtex", "pubmed_xml", "ris", "text"])
def test_an_endless_line_takes_bounded_memory(tmp_path, name):
    _check_endless(tmp_path, name, megabytes=24, limit=120)


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"hf_html"}))
def test_a_line_of_500_megabytes(tmp_path, name):
    _check_endless(tmp_path, name, megabytes=500, limit=130)


def _check_endless(folder: Path, name: str, megabytes: int, limit: int) -> None:
    """`limit` is of the megabytes that a process of its own takes in more than at its start."""
    sample = SAMPLES[name]
    before, after = sample.record("Endless", "@@@").split("@@@")
    path = folder / sample.file
    with path.open("w") as file:
        file.write(sample.head + sample.record(*GOOD[0]) + before)
        for _ in range(megabytes):
            file.write("words " * (2**20 // 6))
        file.write(after + sample.record(*GOOD[1]) + sample.tail)
    code = (
        "import resource, sys; from rag.sources import open_source; from rag.types import Paper\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "start = peak()\n"
        "for r in open_source(sys.argv[1], sys.argv[2]):\n"
        "    print(r.title if isinstance(r, Paper) else 'rejected')\n"
        "print(peak() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), name],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    *records, peak = done.stdout.split("\n")[:-1]
    assert records == [TITLES[0], "rejected", TITLES[1]]
    assert int(peak) < limit
