from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigError
from rag.types import Filters
from ui.parse import Known, chips, merged, read_filters, years

KNOWN = Known(
    {"patrick lewis", "ada byron", "jorg muller", "lukasz kaiser"}, {"neurips"}, {"cs.ir"}
)


@pytest.mark.parametrize(
    ("question", "rest", "filters"),
    [
        ("What improves recall since 2023?", "What improves recall?", Filters((2023, None))),
        ("What came after 2020?", "What came?", Filters((2021, None))),
        ("What was known before 2020?", "What was known?", Filters((None, 2019))),
        ("Indexes between 2019 and 2021", "Indexes", Filters((2019, 2021))),
        ("Papers published in 2022 on RAG", "Papers on RAG", Filters((2022, 2022))),
        ("What is RAG by Lewis et al.?", "What is RAG?", Filters(author="Lewis")),
        ("What is RAG by Patrick Lewis?", "What is RAG?", Filters(author="Patrick Lewis")),
        ("What is RAG by Muller?", "What is RAG?", Filters(author="Muller")),
        ("What is RAG by Jörg Müller?", "What is RAG?", Filters(author="Jörg Müller")),
        ("What is RAG by Łukasz Kaiser?", "What is RAG?", Filters(author="Łukasz Kaiser")),
        ("Which index in cs.IR is fast?", "Which index is fast?", Filters(category="cs.IR")),
        ("What is new at NeurIPS?", "What is new?", Filters(venue="NeurIPS")),
        (
            "What is RAG by Lewis since 2020?",
            "What is RAG?",
            Filters((2020, None), author="Lewis"),
        ),
        ("What is replaced by BERT?", "What is replaced by BERT?", Filters()),
        ("What is RAG by the sea?", "What is RAG by the sea?", Filters()),
        ("since 2023", "since 2023", Filters()),
    ],
)
def test_filters_are_read_and_taken_out(question: str, rest: str, filters: Filters) -> None:
    assert read_filters(question, KNOWN) == (rest, filters)


@given(st.text(max_size=200))
def test_nothing_is_lost_where_no_filter_is_written(question: str) -> None:
    rest, filters = read_filters(question, KNOWN)
    assert filters or rest == question


@pytest.mark.parametrize(
    ("text", "span"),
    [("2020-2024", (2020, 2024)), ("2020-", (2020, None)), ("-2024", (None, 2024)),
     ("2023", (2023, 2023)), ("  ", None), ("2020 – 2021", (2020, 2021))],
)  # fmt: skip
def test_years(text: str, span: object) -> None:
    assert years(text) == span


@pytest.mark.parametrize("text", ["-", "20", "now", "20202021"])
def test_years_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="range of years"):
        years(text)


def test_years_end_after_they_begin() -> None:
    with pytest.raises(ConfigError, match="Write 2020-2024"):
        years("2024-2020")


def test_what_is_written_goes_first_and_is_said_in_words() -> None:
    both = merged(Filters((2000, 2010), author="Byron"), Filters((2020, None)))
    assert chips(both) == ["year: since 2020", "author: Byron"]
    assert chips(Filters((2020, 2020))) == ["year: 2020"]
    assert chips(None) == []
