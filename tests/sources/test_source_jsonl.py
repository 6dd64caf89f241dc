import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.sources._tidy import tidy, tidy_abstract
from rag.sources.beir import Beir
from rag.sources.jsonl import Jsonl
from rag.types import Paper, Rejected

GOOD = '{"title": "T", "abstract": "Some words."}'


@pytest.fixture
def read(tmp_path):
    def read_lines(*lines: str):
        path = tmp_path / "papers.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
        return list(Jsonl().read(str(path)))

    return read_lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"title": ', "bad JSON: "),
        ('{"title": "T", "abstract": "A", "x": NaN}', "bad JSON: NaN is no JSON value"),
        ('{"x": -Infinity}', "bad JSON: -Infinity is no JSON value"),
        ("[" * 100_000, "bad JSON: nested too deeply"),
        ('{"a":' * 100_000, "bad JSON: nested too deeply"),
        ('{"title": "T", "title": "U"}', "bad JSON: the key 'title' stands there twice"),
        ('["title"]', "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"title": "T"}', "no abstract"),
        ('{"abstract": "A"}', "no title"),
    ],
)
def test_a_bad_line_costs_itself_alone(read, line, reason):
    first, bad, second = read(GOOD, line, GOOD)
    assert isinstance(first, Paper) and first == second
    assert isinstance(bad, Rejected)
    assert bad.reason.startswith(reason)
    assert (bad.line, bad.raw) == (2, line[:100_000])


def test_lines_are_counted_over_blank_ones(read):
    assert [r.line for r in read("", GOOD, "   ", "x") if isinstance(r, Rejected)] == [4]


def test_all_fields_under_other_names(read):
    line = """{"Title": "T", "summary": "Some words.", "author": "Ada Byron and Al Ito",
        "publication_date": "2019-03-01", "journal": "J", "link": "https://x.example/",
        "keywords": ["moss"], "DOI": "https://doi.org/10.1000/A", "paper_id": 1812.00010}"""
    assert read(line.replace("\n", " ")) == [
        Paper(
            title="T",
            abstract="Some words.",
            authors=("Ada Byron", "Al Ito"),
            year=2019,
            venue="J",
            url="https://x.example/",
            categories=("moss",),
            doi="10.1000/a",
            arxiv_id="1812.00010",
        )
    ]


def test_sentences_and_a_foreign_id(read):
    (paper,) = read('{"doc_id": 4983, "title": "T", "abstract": ["One.", "Two."]}')
    assert (paper.id, paper.abstract) == ("4983", "One. Two.")


def test_text_that_json_lets_through_is_cleaned(read):
    (paper,) = read('{"title": "A\\u0000 \\ud800T", "abstract": "Some\twords\\u2028here"}')
    assert (paper.title, paper.abstract) == ("A T", "Some words here")


def test_beir_keeps_each_id(tmp_path):
    line = '{"_id": "10.1000/A", "title": "T", "text": "Some words.", "metadata": {}}'
    (tmp_path / "corpus.jsonl").write_text(line)
    by_folder = list(Beir().read(str(tmp_path)))
    assert by_folder == list(Beir().read(str(tmp_path / "corpus.jsonl")))
    assert by_folder[0].id == "10.1000/A"


# What is cleaned away is for test_source_text: here two lone surrogates would make a character.
_characters = st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n\r\t")
_readable = st.text(_characters, min_size=1).filter(
    lambda text: any(map(str.isalpha, tidy_abstract(text))) and "\ufffd" not in text
)
_names = st.lists(st.from_regex(r"[A-Z][a-zé]{1,8} [A-Z][a-z]{1,8}", fullmatch=True))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    papers=st.lists(
        st.builds(
            Paper,
            title=_readable,
            abstract=_readable,
            id=st.from_regex(r"id-[0-9]{1,5}", fullmatch=True),
            authors=_names.map(tuple),
            year=st.none() | st.integers(1500, 2100),
        ),
        min_size=1,
    ),
    ascii=st.booleans(),
)
def test_what_is_written_comes_back(read, papers, ascii):
    lines = [
        json.dumps(
            {
                "title": p.title,
                "abstract": p.abstract,
                "id": p.id,
                "authors": p.authors,
                "year": p.year,
            },
            ensure_ascii=ascii,
        )
        for p in papers
    ]
    expected = [
        Paper(tidy(p.title), tidy_abstract(p.abstract), p.id, p.authors, p.year) for p in papers
    ]
    assert read(*lines) == expected
