import csv
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import SourceUnreadable
from rag.sources._tidy import tidy, tidy_abstract
from rag.sources.delimited import Csv, Tsv
from rag.types import Paper, Rejected


@pytest.fixture
def read(tmp_path):
    def read_text(text: str, reader=Csv):
        path = tmp_path / "papers.csv"
        path.write_bytes(text.encode())
        return list(reader().read(str(path)))

    return read_text


def shown(records):
    return [r.title if isinstance(r, Paper) else (r.line, r.reason) for r in records]


UNCLOSED = "a quote opened here is never closed"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_delimiter_is_seen(read, delimiter):
    text = 'Title,"Abstract Note",Author\nT,"Some; words, here",Ada Byron\n'
    if delimiter == ";":
        text = 'Title;"Abstract Note";Author\nT;"Some; words, here";Ada Byron\n'
    assert read(text) == [Paper("T", "Some; words, here", authors=("Ada Byron",))]


@pytest.mark.parametrize("reader", [Csv, Tsv])
def test_a_header_without_the_columns_names_what_is_there(read, reader):
    with pytest.raises(
        SourceUnreadable, match=r"'name,year'.*--map title=.*title and one of: abstract, text"
    ):
        read("name,year\nx,1\n", reader)


def test_text_that_looks_like_something_else_stays_text(read):
    papers = read('title,abstract,id,venue\nNA,null words,007,"1e5"\n')
    assert papers == [Paper("NA", "null words", id="007", venue="1e5")]


def test_a_quoted_cell_may_span_lines(read):
    text = 'title,abstract\nT,"Some\nwords, ""here"""\n\nU,Other words\nV\n'
    first, second, bad = read(text)
    assert first == Paper("T", 'Some words, "here"')
    assert second == Paper("U", "Other words")
    assert bad == Rejected(bad.source, 6, "no abstract", "V", head="title,abstract")


@pytest.mark.parametrize(
    "rest",
    [
        "U,words\nV,words\n",  # open to the end of the file
        'U,"words"\nV,words\n',  # closed by the quote of another
        'U,words\n"V",words\n',
        'U,words\nV,",words\n',  # closed by chance, with another number of cells
        'U,words\n"V","words"\n',
    ],
)
def test_an_unclosed_quote_costs_one_row(read, rest):
    records = shown(read('title,abstract\nT,"never closed\n' + rest))
    assert records[:2] == [(2, UNCLOSED), "U"]
    assert len(records) == 3


def test_an_unclosed_quote_before_a_thousand_rows(read):
    rows = "".join(f"T{n},words\n" for n in range(1000))
    started = time.perf_counter()
    records = shown(read('title,abstract\n"open,words\n' + rows))
    assert records == [(2, UNCLOSED), *(f"T{n}" for n in range(1000))]
    assert time.perf_counter() - started < 2


def test_a_quote_in_every_row_stays_fast(read):
    started = time.perf_counter()
    records = read("title,abstract\n" + 'T,"open\n' * 5000)
    assert len(records) == 5000
    assert time.perf_counter() - started < 3


def test_wrong_numbers_of_cells(read):
    records = read("title,abstract,year\nT,cut, short,2020\nU,words\nV,words,2020,,\n")
    bad, short, padded = records
    assert (bad.line, bad.reason) == (
        2,
        "4 cells under a header of 3; put quotes around a value that holds ','",
    )
    assert (short.year, padded.year) == (None, 2020)


def test_text_after_a_closing_quote_is_no_row(read):
    records = shown(read('title,abstract\n"T"x,words\nU,words\n'))
    assert records[0][0] == 2
    assert records[0][1].startswith("not a row: ")
    assert records[1] == "U"


def test_quotes_in_tsv_are_only_characters_where_they_do_not_pair(read):
    text = 'title\tabstract\n"Moss" grows\tSome words\n"So\tbe it\nV\t"Quoted ""words"""\n'
    papers = read(text, Tsv)
    assert [(p.title, p.abstract) for p in papers] == [
        ('"Moss" grows', "Some words"),
        ('"So', "be it"),
        ("V", 'Quoted "words"'),
    ]


def test_the_limit_of_the_csv_module_stays_as_it_was(read):
    before = csv.field_size_limit()
    bad, good = read(f"title,abstract\nT,{'x' * 200_000}\nU,words\n")
    assert bad.reason == "a cell of over 131,072 characters; the limit is 50,000"
    assert good.title == "U"
    assert csv.field_size_limit() == before


# Raw control characters are for test_source_text: in a short file they look like a binary.
_characters = st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\n\r\t")
_readable = st.text(_characters, min_size=1).filter(
    lambda text: any(map(str.isalpha, tidy_abstract(text))) and "\ufffd" not in text
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.tuples(_readable, _readable, st.integers(1500, 2100)), min_size=1),
    reader=st.sampled_from([Csv, Tsv]),
    end=st.sampled_from(["\r\n", "\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_is_written_comes_back(read, rows, reader, end, quoting):
    if end == "\n":
        # The writer would leave a lone return unquoted, which ends a line like any other.
        rows = [(t.replace("\r", " "), a.replace("\r", " "), y) for t, a, y in rows]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=reader.delimiters[0], lineterminator=end, quoting=quoting)
    writer.writerows([("title", "abstract", "year"), *rows])
    expected = [Paper(tidy(t), tidy_abstract(a), year=y) for t, a, y in rows]
    assert read(buffer.getvalue(), reader) == expected
