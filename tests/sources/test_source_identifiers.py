import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sources._identifiers import arxiv_id, arxiv_year, doi, web_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1812.06145", "1812.06145"),
        ("arXiv:1812.06145", "1812.06145"),
        (" arXiv: 1812.06145v12 ", "1812.06145"),
        ("https://arxiv.org/abs/1812.06145v2", "1812.06145"),
        ("http://www.arxiv.org/pdf/1812.06145.pdf", "1812.06145"),
        ("https://arxiv.org/abs/2401.00001?context=cs", "2401.00001"),
        ("https://huggingface.co/papers/2401.00001", "2401.00001"),
        ("10.48550/arXiv.1812.06145", "1812.06145"),
        ("https://doi.org/10.48550/ARXIV.1812.06145", "1812.06145"),
        ("oai:arXiv.org:0704.0001", "0704.0001"),
        ("hep-th/9901001", "hep-th/9901001"),
        ("math.GT/0309136v1", "math/0309136"),
        ("1813.06145", None),  # there is no month 13
        ("1812.061", None),
        ("see arXiv:1812.06145", None),
        ("pmc/0112017", None),
        ("4983", None),
        ("", None),
    ],
)
def test_arxiv_id(text, expected):
    assert arxiv_id(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.1145/3292500.3330701", "10.1145/3292500.3330701"),
        ("https://doi.org/10.1145/ABC.Def", "10.1145/abc.def"),
        ("http://dx.doi.org/10.1002/(SICI)1097", "10.1002/(sici)1097"),
        ("doi: 10.1000/182.", "10.1000/182"),
        ("10.1/x", None),
        ("a 10.1145/1 b", None),
        ("", None),
    ],
)
def test_doi(text, expected):
    assert doi(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ("github.com/x/y", "https://github.com/x/y"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("https://a.example/<script>", None),
        ("two words", None),
        ("", None),
    ],
)
def test_web_address(text, expected):
    assert web_address(text) == expected


@given(st.text())
def test_identifiers_are_fixed_points(text):
    for normalise in (arxiv_id, doi, web_address):
        once = normalise(text)
        assert once is None or normalise(once) == once


@pytest.mark.parametrize(
    ("identifier", "year"),
    [
        ("1812.06145", 2018),
        ("2503.12419", 2025),
        ("cs/9901001", 1999),
        ("hep-th/0203101", 2002),
        (None, None),
    ],
)
def test_an_arxiv_id_tells_the_year(identifier, year):
    assert arxiv_year(identifier) == year
