"""Who, when, where, which and how many: told from the records, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.datasets.questions import SAMPLE as QUESTIONS
from eval.datasets.questions import load_questions
from rag import Chatbot
from rag._follow_ups import condense
from rag._record_questions import Wanted, read, read_all
from rag._records import Records
from rag.config import EmbeddingSettings, Settings, StoreSettings
from rag.lexical import LexicalIndex
from rag.library import Library
from rag.types import Answer, Filters, Paper
from tests.conftest import SAMPLE

HELD_OUT = QUESTIONS.with_name("held_out_questions.jsonl")
_PAPERS = [
    ("Heron: Finding Graphs on Disk", "Ada Lee; Yoshua Bengio", 2021, "NeurIPS"),
    ("Egret: Pruning Graphs", "Y. Bengio", 2023, "Journal of Data Science"),
    ("Pruning of Very Large Graphs in Memory", "Bo Li; Kim Leeds", 2023, None),
    ("Stork", "Max Müller", 2019, "ICML 2019"),
    ("Notes on Wading", "", None, None),
    ("Pruning: A Survey", "Ada Lee", 2020, "NeurIPS"),
]


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chatbot]:
    home = tmp_path_factory.mktemp("records")
    records = [
        {
            "title": title, "authors": authors.split("; ") if authors else [], "year": year,
            "venue": venue, "abstract": f"We study retrieval, case {number}. It is wet. {title}.",
        }
        for number, (title, authors, year, venue) in enumerate(_PAPERS)
    ]  # fmt: skip
    records[0]["url"] = "https://example.org/heron"
    source = home / "papers.jsonl"
    source.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    settings = Settings(
        embedding=EmbeddingSettings(name="hashing"), store=StoreSettings(name="memory")
    )
    with Chatbot.open(home / "home", settings) as made:
        made.ingest(str(source))
        yield made


def _titles(answer: Answer) -> set[str]:
    return {near.title.partition(":")[0] for near in answer.nearest}


@pytest.mark.parametrize(
    ("asked", "says", "titles"),
    [
        ("Which papers are from 2023?", "2 of the 6 papers here are from 2023", "Egret|Pruning of"),
        ("papers from 2019 to 2021", "3 of the 6 papers here are", "Heron|Stork|Pruning"),
        ("list the papers published since 2023", "2 of the 6", "Egret|Pruning of"),
        ("papers before 2020", "1 of the 6 papers here is from 2019 or earlier", "Stork"),
        ("papers by Lee", "2 of the 6 papers here are by Lee", "Heron|Pruning"),
        ("what did Yoshua Bengio write?", "2 of the 6", "Heron|Egret"),
        ("Has Bengio written anything since 2022?", "1 of the 6", "Egret"),
        ("anything by Max Müller?", "1 of the 6", "Stork"),
        ("papers by Lee and Bengio", "1 of the 6", "Heron"),
        ("do you have papers in NeurIPS from 2020?", "1 of the 6", "Pruning"),
        ("papers in the Journal of Data Science", "1 of the 6", "Egret"),
        ("How many papers did Lee write since 2021?", "1 of the 6", "Heron"),
        ("I'm looking for a paper by Kim Leeds", "1 of the 6", "Pruning of"),
        ("Is there anything from 2019?", "1 of the 6", "Stork"),
        ("How many papers does this collection hold?", "There are 6 papers here.", ""),
        ("How many papers are there?", "There are 6 papers here.", ""),
        ("how many papers are about pruning?", '3 of the 6 papers here have "pruning"', "*"),
        ("how many papers are about pruning from 2023?", "2 of the 6", "Egret|Pruning of"),
        ("list all papers", "There are 6 papers here.", "*"),
        ("newest paper here?", "The newest papers here are from 2023; there are 2", "*"),
        ("what is the oldest paper?", "The oldest paper here is from 2019.", "Stork"),
        ("latest papers by Lee", "The newest paper here by Lee is from 2021.", "Heron"),
        ("who wrote Heron?", 'By its record, "Heron: Finding Graphs on Disk" is by Ada', "Heron"),
        ("Who are the authors of the paper Stork?", "is by Max Müller", "Stork"),
        ("what year is Egret from?", "is from 2023", "Egret"),
        (
            "When was Pruning of Very Large Graphs in Memory published?",
            "is from 2023",
            "Pruning of",
        ),
        ("In which journal did Egret appear?", "came out in Journal of Data Science", "Egret"),
        ("When was the Stork paper published?", "is from 2019", "Stork"),
        ("Who's the first author of Stork?", "is by Max Müller", "Stork"),
        ("Where was Heron published?", "NeurIPS. https://example.org/heron", "Heron"),
        ("What is the DOI of Heron?", "its record does not say that", "Heron"),
        ("who wrote Notes on Wading?", "its record does not say that", "Notes on Wading"),
    ],
)
def test_the_records_answer(bot: Chatbot, asked: str, says: str, titles: str) -> None:
    answer = bot.ask(asked)
    assert answer.refusal is not None
    assert says in answer.text
    assert answer.refusal.kind == "not_stated"
    assert answer.citations == ()
    if titles != "*":
        wanted = {title for title in titles.split("|") if title}
        assert {next((w for w in wanted if t.startswith(w)), t) for t in _titles(answer)} == wanted


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("papers by Kowalski", "None of the 6 papers here is by Kowalski. (1 without authors"),
        ("which papers are from 1950?", "is from 1950. (1 without year on record.)"),
        ("how many papers are about dragons?", 'None of the 6 papers here has "dragons"'),
    ],
)
def test_where_no_record_fits_that_is_said(bot: Chatbot, asked: str, says: str) -> None:
    answer = bot.ask(asked)
    assert answer.refusal is not None
    assert answer.refusal.kind == "not_in_collection"
    assert says in answer.text
    assert answer.nearest == ()


def test_one_paper_is_named_in_the_refusal(bot: Chatbot) -> None:
    answer = bot.ask("who wrote Heron?")
    assert answer.refusal is not None
    assert answer.refusal.paper_id == answer.nearest[0].paper_id


def test_filters_hold_for_the_records_too(bot: Chatbot) -> None:
    assert bot.ask("How many papers are there?", filters={"year": (2023, None)}).text == (
        "2 of the 6 papers here pass the filters."
    )
    answer = bot.ask("papers by Lee", filters={"venue": "NeurIPS", "year": (2021, 2021)})
    assert answer.text.startswith("1 of the 1 papers that pass the filters is by Lee.")
    assert _titles(answer) == {"Heron"}


def test_a_conversation_goes_on_from_what_was_listed(bot: Chatbot) -> None:
    turns: list[dict] = []

    def ask(question: str) -> str:
        turns.append(bot.ask(question, history=turns).to_dict())
        return str(turns[-1]["text"])

    assert "2 of the 6" in ask("papers by Lee")
    assert "1 of the 6 papers here is from 2021 and by Lee" in ask("and from 2021?")
    assert "1 of the 6 papers here is from 2020 and by Lee" in ask("what about 2020?")
    assert "is by Ada Lee." in ask("who wrote it?")
    assert "You are welcome." in ask("thanks")
    assert "came out in NeurIPS." in ask("and in which venue?")
    assert "4 of the 6" in ask("how many papers are from 2020 or later?")
    assert "2 of the 6" in ask("how many of them are by Lee?")
    assert "2 of the 6" in ask("which are in NeurIPS?")
    assert "is by Ada Lee, Yoshua Bengio." in ask("who wrote the first one?")


def test_a_question_about_the_collection_leaves_the_topic(bot: Chatbot) -> None:
    turns = [{"question": "What is Heron?", "answer": "", "citations": [{"title": "Heron: Disk"}]}]
    turns.append(bot.ask("how many papers are there?", history=turns).to_dict())
    answer = bot.ask("And how large is it?", history=turns)
    assert answer.standalone_question == "how large is Heron?"


_CONTENT = """
how many papers did Heron's corpus contain?
what did the authors find?
who benefits from statins?
which papers deal with adversarial samples?
which papers from 2023 find links?
papers about retrieval
papers on pruning
who wrote about retrieval?
how many papers does the survey cover?
how many papers did the survey review?
what is the newest method for retrieval?
which papers are cited by Heron?
who published the data set and why?
when was the model trained?
in which year does the data end?
what journal articles were used for training?
how many authors does the paper have?
which studies were included?
how many studies were included?
which papers are by far the best?
papers in Chinese
what did it find?
what does Heron do?
list all data sets
how many works are in the collection of Google Landmarks?
how many documents are in MassiveDS?
how many documents are there?
which papers use GPUs?
what did the participants write?
how many articles were reviewed?
what works better?
papers by Retrieval
which works by gradient descent?
where was the trial published?
who published the benchmark?
which conference is best?
what year is it?
in which year was the war?
when did the participants come out?
where is the data published?
who wrote the code?
anything else?
what else?
which of them is faster?
and on ImageNet?
who are the users of Heron?
what is the number of layers?
which paper introduced pruning?
which papers were written with GPT-4?
how many papers are there on average per author?
""".strip().splitlines()


@pytest.mark.parametrize("asked", _CONTENT)
def test_questions_of_content_go_the_usual_way(bot: Chatbot, asked: str) -> None:
    collection = bot._collection
    records = Records(collection.library(), collection.index().lexical, None)
    assert records.tell(asked, asked, []) is None


def test_no_answerable_question_of_the_development_set_is_caught(tmp_path: Path) -> None:
    settings = Settings(embedding=EmbeddingSettings(name="hashing"))
    read = [load_questions(path).questions for path in (QUESTIONS, HELD_OUT)]
    asked = [q for questions in read for q in questions if q.answerable is not False]
    assert len(asked) > 400
    with Chatbot.open(tmp_path, settings) as bot:
        bot.ingest(str(SAMPLE), vectors="later")
        library, index = bot._collection.library(), bot._collection.index().lexical
        records = Records(library, index, None)
        caught = [q.question for q in asked if records.tell(q.question, q.question, [])]
    assert caught == []
    assert [q.question for q in asked if condense(q.question, []) != q.question.strip()] == []


@given(st.text(max_size=80))
def test_no_text_breaks_the_reading(text: str) -> None:
    assert read(text) is None or read_all([text])[-1] == read(text)


@pytest.mark.parametrize("piece", ["in a ", "published in a ", "by ", "from 2020 ", "x's ", "the "])
def test_a_long_question_is_read_in_no_time(piece: str) -> None:
    for start in ("papers ", "who wrote ", "when was "):
        read(start + piece * (290 // len(piece)))
        read(start + piece * 50_000)


def test_names_are_found_as_words_and_by_initials(tmp_path: Path) -> None:
    library = Library(tmp_path / "library.sqlite")
    people = [("Kathleen Leeds",), ("L. Kim", "Jean Lee"), ("Lee, J.",), ("J. A. Lee-Fox",), ()]
    papers = [
        Paper(title=f"Paper {n}", abstract="Text.", authors=who) for n, who in enumerate(people)
    ]
    library.upsert([(paper, "test") for paper in papers])

    def by(name: str) -> list[str]:
        return [p.title[-1] for p in library.by_row(library.written_by(name)).values()]

    assert by("Lee") == by("LEE") == ["1", "2", "3"]
    assert by("Jean Lee") == by("J. Lee") == ["1", "2", "3"]
    assert by("Lee, J.") == ["1", "2", "3"]
    assert by("Bo Lee") == by("ee") == by("") == by("17") == []
    assert library.lacking() == {"year": 5, "venue": 5, "authors": 1}
    library.close()


def test_texts_that_hold_every_word() -> None:
    index = LexicalIndex.build(["a", "b", "c"], ["red fox runs", "a red dog", "foxes are red"])
    assert list(index.holding("red")) == [0, 1, 2]
    assert list(index.holding("the red fox")) == [0, 2]
    assert list(index.holding("red cat")) == list(index.holding("the")) == []
    assert list(LexicalIndex.build([], []).holding("red")) == []


def _told(library: Library, question: str, filters: Filters | None = None) -> str:
    """What the records of a library say, in words; "" where they leave a question alone."""
    papers = list(library.papers())
    texts = [f"{paper.title} {paper.abstract}" for paper in papers]
    index = LexicalIndex.build([paper.id for paper in papers], texts)
    told = Records(library, index, filters).tell(question, question, [])
    return told.refusal.message if told else ""


def _library(folder: Path, papers: list[Paper]) -> Library:
    library = Library(folder / "library.sqlite")
    library.upsert([(paper, "test") for paper in papers])
    return library


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("What is the newest paper before 2020?", "from 2019 or earlier is from 2018."),
        ("Latest papers from 2018 to 2021", "from 2018 to 2021 are from 2021; there are 2 of them"),
        ("What is the oldest paper since 2019?", "here from 2019 or later are from 2021;"),
        ("What is the latest paper by Xyzzy?", "None of the 5 papers here is by Xyzzy."),
        ("What is the latest paper by Moe?", "None of the 1 papers here by Moe has its year on"),
        ("newest papers from 1950", "None of the 5 papers here is from 1950."),
    ],
)
def test_the_newest_and_the_oldest_of_what_is_asked(tmp_path: Path, asked: str, says: str) -> None:
    years = [2018, 2021, 2021, 2023, None]
    library = _library(
        tmp_path,
        [Paper(f"Paper {n}", "Text.", authors=("Bo Moe",) * (not year), year=year)
         for n, year in enumerate(years)],
    )  # fmt: skip
    assert says in _told(library, asked)
    library.close()


def test_without_any_year_there_is_no_newest(tmp_path: Path) -> None:
    library = _library(tmp_path, [Paper("Paper", "Text.")])
    assert _told(library, "What is the newest paper?") == "No paper here has a year on record."
    library.close()


def test_venues_are_whole_words_whatever_comes_first(tmp_path: Path) -> None:
    venues = ["NAACL", "ACL", "ACL 2020", "Nature Medicine", None, "Naturé"]
    papers = [Paper(f"Paper {n}", "Text.", venue=venue) for n, venue in enumerate(venues)]
    library = _library(tmp_path, papers)
    assert library.published_in("acl").tolist() == [2, 3]
    assert library.published_in("Nature").tolist() == [4, 6]
    assert library.published_in("CL").tolist() == []
    assert _told(library, "papers in ACL").startswith("2 of the 6 papers here are in ACL.")
    assert _told(library, "papers in Natur") == ""
    library.close()


@pytest.mark.parametrize(
    "asked",
    [
        "Which paper?",
        "Which paper is that?",
        "And the paper?",
        "Show me the paper",
        "Do you have the paper?",
        "What works in stroke?",
        "What works in Stroke?",
        "What works in medicine?",
        "Which papers are in stroke?",
        "How many abstracts are in the corpus?",
        "How many documents are in the index?",
        "How many documents are in the database?",
        "How many documents from 2020 are in the database?",
        "list the documents in the library",
    ],
)
def test_what_only_looks_like_a_question_about_the_collection(asked: str) -> None:
    assert read(asked) is None
    assert read(asked, Wanted("list", author="Lee")) is None


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("Which papers are there?", Wanted("list")),
        ("Which papers do you have?", Wanted("list")),
        ("How many documents are in this collection?", Wanted("count")),
        ("How many abstracts do you have?", Wanted("count")),
        ("How many papers are in the corpus?", Wanted("count")),
        ("papers published in stroke", Wanted("list", place="stroke")),
        ("papers in the journal medicine", Wanted("list", place="medicine")),
        ("Which works are by Lee?", Wanted("list", author="Lee")),
        ("papers from lee", Wanted("list", place="lee")),
        ("list the articles by Lee in the library", Wanted("list", author="Lee")),
    ],
)
def test_what_is_asked_of_the_collection(asked: str, wanted: Wanted) -> None:
    assert read(asked) == wanted


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("papers by Vaswani et al.", Wanted("list", author="Vaswani")),
        ("papers by Vaswani et al. from 2017", Wanted("list", (2017, 2017), author="Vaswani")),
        ("papers from Vaswani and colleagues", Wanted("list", place="Vaswani")),
        ("What did Vaswani et al. write?", Wanted("list", author="Vaswani")),
        ("Which papers were published by 2020?", Wanted("list", (None, 2020))),
        ("papers by the end of 2020", Wanted("list", (None, 2020))),
        ("papers by the year 2020", Wanted("list", (None, 2020))),
        ("papers by Vaswani et al. (2017)", Wanted("list", (2017, 2017), author="Vaswani")),
        ("papers by 12345", None),
        ("papers by Y.", None),
        ("papers by et al.", None),
        ("What did 50% publish?", None),
    ],
)
def test_names_of_authors_are_read(asked: str, wanted: Wanted | None) -> None:
    assert read(asked) == wanted


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("Bengio, Y.", "Heron|Egret"),
        ("Bengio, Y. and Lee, A.", "Heron"),
        ("Bengio, Y., Lee, A.", "Heron"),
        ("Bengio, Y, Lee", "Heron"),
        ("Lee, Bengio", "Heron"),
        ("Li, Leeds", "Pruning of"),
        ("Li, Bo", "Pruning of"),
    ],
)
def test_initials_belong_to_the_name_before_them(tmp_path: Path, name: str, rows: str) -> None:
    library = _library(
        tmp_path,
        [Paper(title, "Text.", authors=tuple(who.split("; "))) for title, who, *_ in _PAPERS],
    )
    assert _told(library, f"papers by {name}").startswith(f"{rows.count('|') + 1} of the 6 papers")
    library.close()


def test_thanks_do_not_break_a_series_of_questions(tmp_path: Path) -> None:
    library = _library(tmp_path, [Paper("One", "Text.", year=2023), Paper("Two", "Text.")])
    index = LexicalIndex.build([paper.id for paper in library.papers()], ["One", "Two"])
    asked, history = "Thanks! And from 2023?", ["How many papers are from 2022?"]
    told = Records(library, index, None).tell(asked, condense(asked, history), history)
    assert told is not None
    assert told.refusal.message.startswith("1 of the 2 papers here is from 2023.")
    library.close()


def test_papers_outside_of_the_filters_are_not_counted(tmp_path: Path) -> None:
    papers = [Paper("One", "Text.", year=2023, venue="V"), Paper("Two", "Text.", venue="W")]
    library = _library(tmp_path, papers)
    asked = "how many papers are from 2023?"
    assert "(1 without year on record.)" in _told(library, asked)
    assert _told(library, asked, Filters(venue="V")) == (
        "1 of the 1 papers that pass the filters is from 2023."
    )
    library.close()
