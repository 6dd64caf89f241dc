import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources import make_paper
from rag.sources._fields import pick
from rag.types import Paper, Rejected

FULL = {"title": "A Title", "abstract": "Some words."}


def paper(**fields):
    made = make_paper({**FULL, **fields}, "here", 3, "raw")
    assert isinstance(made, Paper), made
    return made


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"title": None}, "no title"),
        ({"title": " \u200b\n"}, "no title"),
        ({"abstract": ""}, "no abstract"),
        ({"abstract": []}, "no abstract"),
        ({"abstract": "1234 -- 5."}, "no words in the abstract"),
        ({"abstract": {"en": "x"}}, "the abstract is not text"),
        ({"abstract": ["x", 5]}, "the abstract is not text"),
        ({"title": True}, "the title is not text"),
        ({"title": "x" * 2001}, "title of 2,001 characters; the limit is 2,000"),
        (
            {"abstract": "x" * 10_485_760},
            "abstract of 10,485,760 characters; the limit is 50,000",
        ),
        (
            {"abstract": "\ufffd\ufffd a"},
            "the abstract is not readable text. Save the file as UTF-8",
        ),
        ({"title": "\ufffd\ufffd a"}, "the title is not readable text. Save the file as UTF-8"),
    ],
)
def test_rejects_in_plain_words(fields, reason):
    assert make_paper({**FULL, **fields}, "here", 3, "raw") == Rejected("here", 3, reason, "raw")


def test_raw_is_cut():
    assert len(make_paper({}, "here", 1, "x" * 999_999).raw) == 100_000
    assert len(paper_with_raw("x" * 999_999).raw) == 100_000


def paper_with_raw(raw):
    return make_paper(FULL, "here", 1, raw)


def test_an_abstract_at_the_limit_is_taken():
    assert len(paper(abstract="x" * 50_000).abstract) == 50_000
    assert paper(abstract="x" + " " * 60_000 + "y").abstract == "x y"


def test_an_abstract_in_sentences_is_joined():
    assert paper(abstract=["One.", "Two."]).abstract == "One. Two."


@pytest.mark.parametrize(
    ("authors", "expected"),
    [
        (["Ada Byron", " ", None, "Alan  Turing"], ("Ada Byron", "Alan Turing")),
        (
            [{"name": "Ada Byron"}, {"first": "Alan", "last": "Turing"}],
            ("Ada Byron", "Alan Turing"),
        ),
        ("Byron, Ada; Turing, Alan", ("Byron, Ada", "Turing, Alan")),
        ("Byron, Ada and Turing, Alan", ("Byron, Ada", "Turing, Alan")),
        ("Ada Byron, Alan Turing, and Grace Hopper", ("Ada Byron", "Alan Turing", "Grace Hopper")),
        ("Ada Byron and Alan Turing", ("Ada Byron", "Alan Turing")),
        ("Byron, Ada", ("Byron, Ada")),
        ("Alexander Sand", ("Alexander Sand",)),
        (7, ()),
        (None, ()),
    ],
)
def test_authors(authors, expected):
    expected = (expected,) if isinstance(expected, str) else expected
    assert paper(authors=authors).authors == expected


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2019, 2019),
        ("2019", 2019),
        ("2019.0", 2019),
        ("2019-03-01T00:00:00Z", 2019),
        ("Mon, 2 Apr 2007 19:18:42 GMT", 2007),
        ("20190301", 2019),
        (1499, None),
        (2101, None),
        (True, None),
        ("1552435200", None),
        ("soon", None),
        (None, None),
    ],
)
def test_year(year, expected):
    assert paper(year=year).year == expected


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        (["cs.IR", "cs.IR", "cs.CL"], ("cs.IR", "cs.CL")),
        ("cs.IR cs.CL", ("cs.IR", "cs.CL")),
        ("machine learning; moss", ("machine learning", "moss")),
        ("machine learning, moss", ("machine learning", "moss")),
        (5, ()),
    ],
)
def test_categories(categories, expected):
    assert paper(categories=categories).categories == expected


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"id": "4983"}, ("4983", None, None)),
        ({"id": "arXiv:1812.06145"}, ("", None, "1812.06145")),
        ({"id": "https://doi.org/10.1000/A"}, ("", "10.1000/a", None)),
        ({"id": "S2-7", "doi": "doi:10.1000/A"}, ("S2-7", "10.1000/a", None)),
        ({"url": "https://arxiv.org/abs/1812.06145v3"}, ("", None, "1812.06145")),
        (
            {"doi": "10.48550/arXiv.1812.06145"},
            ("", "10.48550/arxiv.1812.06145", "1812.06145"),
        ),
        ({"arxiv_id": "1812.06145v1", "id": "x"}, ("x", None, "1812.06145")),
        ({"arxiv_id": "nonsense", "doi": "nonsense"}, ("", None, None)),
    ],
)
def test_names(fields, names):
    made = paper(**fields)
    assert (made.id, made.doi, made.arxiv_id) == names


def test_an_id_that_others_refer_to_is_kept():
    made = make_paper({**FULL, "id": "10.1000/A"}, "here", 1, "", keep_id=True)
    assert (made.id, made.doi) == ("10.1000/A", "10.1000/a")


def test_a_dangerous_or_endless_value_is_left_out():
    made = paper(url="javascript:alert(1)", venue="x" * 501)
    assert (made.url, made.venue) == (None, None)


@given(
    st.dictionaries(
        st.sampled_from(sorted(Paper.__dataclass_fields__)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_never_raises(fields):
    assert isinstance(make_paper(fields, "here", 1, ""), (Paper, Rejected))


def test_fields_are_known_by_many_names_and_the_better_one_wins():
    record = {"TEXT": "full text", "Abstract Note": None, " Summary": "short", "Journal-Ref": "J"}
    assert pick(record) == {"abstract": "full text", "venue": "J"}
    assert pick({**record, "abstract": "the abstract"})["abstract"] == "the abstract"
    assert pick({"published": "2020", "doc_id": 7, "other": 1}) == {"year": "2020", "id": 7}
