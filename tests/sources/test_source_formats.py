"""What each format of the literature gives, on small records of the shape that it has there."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rag.errors import SourceUnreadable
from rag.sources import open_source
from rag.types import Paper, Rejected


@pytest.fixture
def read(tmp_path):
    def read_file(name: str, data: str | bytes, format=None, fields=None):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return list(open_source(str(path), format, fields=fields))

    return read_file


def given(record):
    """What a paper has, without what is empty; of a reject its line and reason."""
    if isinstance(record, Rejected):
        return record.line, record.reason
    return {n: v for n in Paper.__dataclass_fields__ if n != "raw" and (v := getattr(record, n))}


# --- BibTeX

BIB = r"""% Encoding: UTF-8
@comment{jabref-meta: databaseType:biblatex;}
@string(acl = "Annual Meeting of the {ACL}")
@preamble{"x"}
@inproceedings{devlin-etal-2019-bert,
    title = "{BERT}: Pre-training of Deep Transformers",
    author = "Devlin, Jacob  and
      van der Berg, Jr., Kenton and others",
    booktitle = acl # " 2019 --- Long",
    month = jun,
    year = "2019",
    url = "\url{https://a.example/~x/N19\_14--23}",
    doi = "10.18653/v1/N19-1423",
    abstract = "We name it {BERT}, $E=mc^2$ --- \textit{nice}, 80.5{\%} ({\textasciitilde}7.7)."
}
@online{zotero_2020,
  title = {Mo{\"o}s},  subtitle={A {Sub} title},
  date = {2020-05-01}, urldate = {2023-01-01}, journaltitle={J. of {\"O}ko},
  author = {M{\"u}ller, J\"org and {The Moss Group} and Ada Byron},
  abstract = {An abstract with @article{inside} it.}, keywords = {moss, clocks},
  langid = {ngerman}, eprint = {2005.12345v2}, eprinttype = {arxiv}, rights = {CC-BY 4.0}
} @misc{second, title={On the same line}, abstract={Some words}}
@article{twice, title={A}, title={B}, abstract={words}}
@article{tags, title={Tags}, keywords={a}, keywords={b}, abstract={words}}
@article{scholar, title={No abstract}, journal=acl}
"""


def test_bibtex(read):
    *papers, twice, tags, scholar = read("library.bib", BIB)
    assert [given(paper) for paper in papers] == [
        {
            "title": "BERT: Pre-training of Deep Transformers",
            "abstract": "We name it BERT, E=mc^2 \u2014 nice, 80.5% (~7.7).",
            "authors": ("Jacob Devlin", "Kenton van der Berg Jr."),
            "year": 2019,
            "venue": "Annual Meeting of the ACL 2019 \u2014 Long",
            "url": "https://a.example/~x/N19_14--23",
            "doi": "10.18653/v1/n19-1423",
            "key": "devlin-etal-2019-bert",
        },
        {
            "title": "Mo\u00f6s: A Sub title",
            "abstract": "An abstract with @articleinside it.",
            "authors": ("J\u00f6rg M\u00fcller", "The Moss Group", "Ada Byron"),
            "year": 2020,
            "venue": "J. of \u00d6ko",
            "categories": ("moss", "clocks"),
            "arxiv_id": "2005.12345",
            "version": 2,
            "key": "zotero_2020",
            "language": "de",
            "license": "CC-BY 4.0",
        },
        {"title": "On the same line", "abstract": "Some words", "key": "second"},
    ]
    assert given(twice) == (23, "the field 'title' stands there twice")
    assert given(tags)["categories"] == ("a",)
    assert given(scholar) == (25, "no abstract")
    assert scholar.head == "@string{acl = {Annual Meeting of the {ACL}}}"
    assert papers[0].raw.startswith("@inproceedings{devlin") and papers[0].raw.endswith("\n}")


def test_a_mended_entry_still_knows_its_strings(read):
    bad = read("library.bib", BIB)[-1]
    raw = bad.raw.replace("journal=", "abstract={Now there is one}, journal=")
    line = json.dumps({**bad.to_dict(), "raw": raw})
    (paper,) = read("rejected.jsonl", line)
    assert (paper.venue, paper.key) == ("Annual Meeting of the ACL", "scholar")


def test_a_broken_entry_costs_itself_alone(read):
    good = "@misc{k, title={T}, abstract={words}}\n"
    records = read(
        "a.bib", f"{good}@article{{a, title = {{open,\n{good}@article{{b\n{good}@x{{}}\n"
    )
    assert [given(r) if isinstance(r, Rejected) else r.title for r in records] == [
        "T", (2, "bad BibTeX: the entry is never closed"),
        "T", (4, "bad BibTeX: the entry is never closed"),
        "T", (6, "no title"),
    ]  # fmt: skip


def test_names_in_named_parts(read):
    names = (
        "family=Berg, given=Jan, prefix=van den, useprefix=true and given={Ad{\\'e}le}, "
        'family="Doe", suffix=Jr. and Plain, Ada'
    )
    (paper,) = read("a.bib", f"@misc{{k, title={{T}}, abstract={{words}}, author={{{names}}}}}")
    assert paper.authors == ("Jan van den Berg", "Ad\u00e9le Doe Jr.", "Ada Plain")


# --- RIS and MEDLINE

RIS = """\ufeffProvider: Somebody
TY -  JOUR
T1  - First title
A1  - Byron, Ada
A1  - Turing, Alan, Jr.
Y1  - 2019/05/01
N2  - An abstract
that goes on
over lines.
KW  - moss
KW  - clocks
DO  - 10.1000/A
UR  - https://a.example/x
LA  - eng
ID  - byron19
TY  - CONF
TI  - Second, after a missing ER
AB  - Words.
JO  - J. Moss
ER  -
TI  - lost one
AB  - x y
AU  - q
"""


def test_ris_where_rispy_alone_finds_nothing_or_one_of_two(read):
    assert list(map(given, read("export.ris", RIS))) == [
        {
            "title": "First title",
            "abstract": "An abstract that goes on over lines.",
            "authors": ("Ada Byron", "Alan Turing Jr."),
            "year": 2019,
            "url": "https://a.example/x",
            "categories": ("moss", "clocks"),
            "doi": "10.1000/a",
            "language": "en",
            "key": "byron19",
        },
        {"title": "Second, after a missing ER", "abstract": "Words.", "venue": "J. Moss"},
        (21, "no TY line begins this record"),
    ]


def test_every_ty_is_accounted_for(read):
    records = read("a.ris", "TY  - JOUR\n" * 3 + "TY  - JOUR\nTI  - T\nAB  - words\n")
    assert [getattr(r, "line", r) for r in records[:3]] == [1, 2, 3]
    assert records[3].title == "T"


MEDLINE = """
PMID- 31452104
OWN - NLM
DP  - 2019 Aug 26
TI  - A title that goes on
      in the next line.
LID - 10.1000/x.y [doi]
AB  - BACKGROUND: We ask. METHODS: We
      measure.
CI  - (c) 2019 Somebody.
FAU - Byron, Ada
AU  - Byron A
LA  - eng
JT  - Journal of moss
MH  - *Bryophyta
OT  - clocks

PMID- 2
TI  - No abstract
"""


@pytest.mark.parametrize("name", ["pubmed.nbib", "pubmed.txt"])
def test_medline(read, name):
    assert list(map(given, read(name, MEDLINE))) == [
        {
            "title": "A title that goes on in the next line.",
            "abstract": "BACKGROUND: We ask. METHODS: We measure.",
            "authors": ("Ada Byron",),
            "year": 2019,
            "venue": "Journal of moss",
            "url": "https://pubmed.ncbi.nlm.nih.gov/31452104/",
            "categories": ("Bryophyta", "clocks"),
            "doi": "10.1000/x.y",
            "pmid": "31452104",
            "language": "en",
        },
        (18, "no abstract"),
    ]


# --- XML

PUBMED = """<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" "https://dtd.example/p.dtd">
<PubmedArticleSet>
<PubmedArticle><MedlineCitation Status="MEDLINE"><PMID Version="1">31452104</PMID>
<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Internet"><PubDate>
<MedlineDate>2019 Aug-Sep</MedlineDate></PubDate></JournalIssue><Title>Journal of moss</Title>
</Journal><ArticleTitle>[H<sub>2</sub>O in <i>Bryum</i> &amp; others].</ArticleTitle>
<Abstract><AbstractText Label="BACKGROUND">We ask if p &lt; 0.05.</AbstractText>
<AbstractText Label="METHODS">10<sup>-3</sup> m; <mml:math
 xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:msub><mml:mi>x</mml:mi><mml:mn>2</mml:mn>
</mml:msub></mml:math>.</AbstractText><CopyrightInformation>(c) 2019.</CopyrightInformation>
</Abstract><AuthorList><Author><LastName>Byron</LastName><ForeName>Ada</ForeName></Author>
<Author><CollectiveName>Moss Group</CollectiveName></Author></AuthorList>
<Language>eng</Language></Article><MeshHeadingList><MeshHeading>
<DescriptorName UI="D1">Bryophyta</DescriptorName></MeshHeading></MeshHeadingList>
</MedlineCitation><PubmedData><ArticleIdList><ArticleId IdType="pubmed">31452104</ArticleId>
<ArticleId IdType="doi">10.1000/X</ArticleId></ArticleIdList><ReferenceList><Reference>
<ArticleIdList><ArticleId IdType="doi">10.9/ref</ArticleId></ArticleIdList></Reference>
</ReferenceList></PubmedData></PubmedArticle>
<PubmedBookArticle><BookDocument><PMID>7</PMID><Book><BookTitle>All of moss</BookTitle></Book>
<ArticleTitle>A chapter</ArticleTitle><Abstract><AbstractText>Words.</AbstractText></Abstract>
</BookDocument></PubmedBookArticle>
<PubmedArticle><MedlineCitation><PMID>8</PMID><Article><ArticleTitle>Cut
"""


def test_pubmed_xml(read):
    assert list(map(given, read("pubmed.xml", PUBMED))) == [
        {
            "title": "H2O in Bryum & others",
            "abstract": "BACKGROUND: We ask if p < 0.05. METHODS: 10^-3 m; x_2.",
            "authors": ("Ada Byron", "Moss Group"),
            "year": 2019,
            "venue": "Journal of moss",
            "url": "https://pubmed.ncbi.nlm.nih.gov/31452104/",
            "categories": ("Bryophyta",),
            "doi": "10.1000/x",
            "pmid": "31452104",
            "language": "en",
        },
        {
            "title": "A chapter",
            "abstract": "Words.",
            "venue": "All of moss",
            "url": "https://pubmed.ncbi.nlm.nih.gov/7/",
            "pmid": "7",
        },
        (23, "it is never closed. Is the file whole?"),
    ]


ATOM = r"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
<title>q</title>
<entry><id>http://arxiv.org/abs/2101.00001v3</id><published>2021-01-01T00:00:00Z</published>
<title>Moss
  Clocks</title><summary>  We read $\alpha$.
</summary><author><name>Ada Byron</name></author><arxiv:doi>10.1000/y</arxiv:doi>
<arxiv:journal_ref>J. Moss 1</arxiv:journal_ref>
<link title="pdf" href="http://arxiv.org/pdf/2101.00001v3" rel="related"/>
<link href="http://arxiv.org/abs/2101.00001v3" rel="alternate"/><category term="cs.IR"/></entry>
<entry><title>A &nbsp; named&mdash;entity</title><summary>Words\x0b here.</summary></entry></feed>
"""


def test_arxiv_atom(read):
    first, second = read("feed.xml", ATOM)
    assert given(first) == {
        "title": "Moss Clocks",
        "abstract": "We read \u03b1.",
        "authors": ("Ada Byron",),
        "year": 2021,
        "venue": "J. Moss 1",
        "url": "http://arxiv.org/abs/2101.00001v3",
        "categories": ("cs.IR",),
        "doi": "10.1000/y",
        "arxiv_id": "2101.00001",
        "version": 3,
    }
    assert second.title == "A named\u2014entity"


# --- records of the big collections, wherever they lie

OPENALEX = {
    "id": "https://openalex.org/W2741809807",
    "doi": "https://doi.org/10.1000/Z",
    "title": "Moss",
    "publication_year": 2018,
    "ids": {"pmid": "https://pubmed.ncbi.nlm.nih.gov/29456894"},
    "language": "en",
    "primary_location": {
        "landing_page_url": "https://doi.org/10.1000/Z",
        "source": {"display_name": "PeerJ"},
        "license": "cc-by",
    },
    "locations": [{"landing_page_url": "https://arxiv.org/abs/1801.00001"}],
    "authorships": [{"author": {"display_name": "Ada Byron"}}],
    "topics": [{"display_name": "Mosses"}],
    "abstract_inverted_index": {"clock": [1, 3], "A": [0], "is": [2]},
}
SNAPSHOT = {
    "id": "0704.0001",
    "submitter": "x",
    "authors": 'A. Byron, J. M\\"uller',
    "title": "Moss\n  on",
    "journal-ref": "Phys.Rev.D76:013009,2007",
    "doi": "10.1103/PhysRevD.76.013009",
    "categories": "hep-ph cs.IR",
    "license": "http://creativecommons.org/licenses/by/4.0/",
    "abstract": "  A fully differential calculation.\n",
    "versions": [
        {"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"},
        {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
    ],
    "update_date": "2008-11-26",
    "authors_parsed": [["Byron", "A.", ""], ["M\u00fcller", "J.", "Jr"]],
}
SCHOLAR = {
    "paperId": "abc",
    "externalIds": {"DOI": "10.1000/s", "ArXiv": "2101.00002", "PubMed": "123"},
    "title": "S2",
    "abstract": "Words.",
    "authors": [{"authorId": "1", "name": "Ada Byron"}],
    "year": 2021,
    "venue": "ACL",
    "fieldsOfStudy": ["Moss"],
}
FACE = {"paper": {"id": "2410.13863", "title": "HF", "summary": "Words.", "authors": []}}
CROSSREF = {
    "DOI": "10.1000/CR",
    "title": ["Crossed"],
    "author": [{"given": "Ada", "family": "Byron"}],
    "container-title": ["J. Moss"],
    "issued": {"date-parts": [[2020, 5]]},
    "abstract": "<jats:title>Abstract</jats:title><jats:p>We <jats:bold>do</jats:bold>.</jats:p>",
}
SHAPES = [
    (
        OPENALEX,
        {
            "title": "Moss", "abstract": "A clock is clock", "authors": ("Ada Byron",),
            "year": 2018, "venue": "PeerJ", "url": "https://doi.org/10.1000/Z",
            "categories": ("Mosses",), "doi": "10.1000/z", "arxiv_id": "1801.00001",
            "pmid": "29456894", "openalex_id": "W2741809807", "language": "en",
            "license": "cc-by",
        },
    ),
    (
        SNAPSHOT,
        {
            "title": "Moss on", "abstract": "A fully differential calculation.",
            "authors": ("A. Byron", "J. M\u00fcller Jr"), "year": 2007,
            "venue": "Phys.Rev.D76:013009,2007", "url": "https://arxiv.org/abs/0704.0001",
            "categories": ("hep-ph", "cs.IR"), "doi": "10.1103/physrevd.76.013009",
            "arxiv_id": "0704.0001", "version": 2,
            "license": "http://creativecommons.org/licenses/by/4.0/",
        },
    ),
    (
        SCHOLAR,
        {
            "title": "S2", "abstract": "Words.", "id": "s2:abc", "authors": ("Ada Byron",),
            "year": 2021, "venue": "ACL", "categories": ("Moss",), "doi": "10.1000/s",
            "arxiv_id": "2101.00002", "pmid": "123",
        },
    ),
    (
        FACE,
        {
            "title": "HF", "abstract": "Words.", "year": 2024, "arxiv_id": "2410.13863",
            "url": "https://huggingface.co/papers/2410.13863",
        },
    ),
    (
        CROSSREF,
        {
            "title": "Crossed", "abstract": "We do.", "authors": ("Ada Byron",), "year": 2020,
            "venue": "J. Moss", "doi": "10.1000/cr",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "expected"), SHAPES)
def test_records_of_the_big_collections(read, record, expected):
    in_lines = read("a.jsonl", json.dumps(record) + "\n")
    in_array = read("a.json", json.dumps([record], indent=1))
    answer = json.dumps({"meta": {"count": 1}, "results": [record], "group_by": []})
    in_answer = read("b.json", answer)
    for (paper,) in (in_lines, in_array, in_answer):
        assert given(paper) == expected
        assert json.loads(paper.raw) == record


@pytest.mark.parametrize("key", ["externalIds", "authors_parsed", "paper"])
def test_a_record_without_a_name_gets_none(read, key):
    record = {"title": "T", "abstract": "Words."}
    value = dict(record) if key == "paper" else []
    (paper,) = read("a.jsonl", json.dumps({**record, key: value}))
    assert given(paper) == record


# --- pages, text, Parquet


def test_a_saved_page_gives_what_is_in_its_data(read):
    props = json.dumps({"dailyPapers": [FACE, FACE, {"paper": {"id": "2410.1", "title": "Bare"}}]})
    page = props.replace("&", "&amp;").replace('"', "&quot;")
    html = f'<!doctype html>\n<html><div class="SVELTE_HYDRATER" data-props="{page}"></div></html>'
    paper, bare = read("page.html", html)
    assert (paper.title, paper.arxiv_id) == ("HF", "2410.13863")
    assert given(bare) == (2, "no abstract")


LONG = "Moss grows at a pace that nobody watches, and we watch it with forty cameras. " * 5


def test_a_saved_page_without_data_gives_what_it_shows(read):
    html = (
        "<html><head><title>Papers</title><script>var a = '<p>' + b;</script></head><body>"
        f"<!-- <h3>Hidden title of it</h3> --><article><h3><a href='/p'>Moss &amp; Time</a></h3>\n"
        f"<p>{LONG}</p></article></body></html>"
    )
    (paper,) = read("page.html", html)
    assert (paper.title, paper.abstract) == ("Moss & Time", LONG.strip())


def test_plain_text_in_paragraphs(read):
    wrapped = LONG.replace("forty ", "forty\n")
    head = "Moss as a Clock\n\nAda Byron, Alan Turing\n\nAbstract\n\n"
    text = f"{head}{wrapped}\n## Second\n{LONG}\n\n"
    first, second, lost = read("notes.txt", text + "A title without any text\n")
    assert given(first) == {
        "title": "Moss as a Clock",
        "abstract": LONG.strip(),
        "authors": ("Ada Byron", "Alan Turing"),
    }
    assert second.title == "Second"
    assert lost.reason == "no abstract under this title"


def test_plain_text_under_labels(read):
    text = (
        "Title: Labelled\nAuthors: Ada Byron; Alan Turing\nYear: 2020\nAbstract: Some words\n"
        "that go on.\n\nAnd on.\n\n**Title:** Second\n**Abstract:** Words.\n"
    )
    first, second = read("notes.md", text)
    assert given(first) == {
        "title": "Labelled", "abstract": "Some words that go on. And on.", "year": 2020,
        "authors": ("Ada Byron", "Alan Turing"),
    }  # fmt: skip
    assert (second.title, second.abstract) == ("Second", "Words.")


def parquet(columns, **options):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def test_parquet(read):
    import datetime

    data = parquet(
        {
            "title": ["A", "B", "C"],
            "summary": ["words", None, "words"],
            "authors": [[{"name": "Ada"}], [], [{"name": "Al"}]],
            "published": [datetime.date(2020, 5, 1), None, datetime.date(1999, 1, 1)],
            "embedding": [[0.1] * 8] * 3,
        },
        row_group_size=2,
    )
    first, bad, last = read("a.parquet", data)
    assert given(first) == {"title": "A", "abstract": "words", "authors": ("Ada",), "year": 2020}
    assert (bad.line, bad.reason, bad.format) == (2, "no abstract", "jsonl")
    assert (last.title, last.year) == ("C", 1999)
    assert "embedding" not in first.raw


def test_parquet_with_text_that_is_not_utf_8(read):
    column = pa.array([b"fine", b"\xff\xfe", b"fine"]).cast(pa.binary())
    array = pa.StringArray.from_buffers(3, column.buffers()[1], column.buffers()[2])
    records = read("a.parquet", parquet({"title": array, "abstract": ["a b", "a b", "a b"]}))
    assert [given(r) if isinstance(r, Rejected) else r.title for r in records] == [
        "fine", (2, "text that is not UTF-8"), "fine",
    ]  # fmt: skip


def test_parquet_without_a_title_names_its_columns(read):
    with pytest.raises(SourceUnreadable, match=r"only: x, y\. Say which they are with --map"):
        read("a.parquet", parquet({"x": [1], "y": [2]}))


# --- fields by hand


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("a.csv", "Name,Beschreibung,Jahr,title\nA,Worte,2020,wrong\n"),
        ("table", "Name;Beschreibung;Jahr;title\nA;Worte;2020;wrong\n"),
        ("a.tsv", "Name\tBeschreibung\tJahr\ttitle\nA\tWorte\t2020\twrong\n"),
        ("a.jsonl", '{"Name": "A", "Beschreibung": "Worte", "Jahr": 2020, "title": "wrong"}'),
        ("a.json", '[{"Name": "A", "Beschreibung": "Worte", "Jahr": 2020, "title": "wrong"}]'),
        (
            "a.parquet",
            parquet({"Name": ["A"], "Beschreibung": ["Worte"], "Jahr": [2020], "title": ["wrong"]}),
        ),
    ],
)
def test_mapped_fields(read, file, data):
    fields = {"title": "Name", "abstract": "Beschreibung", "year": "Jahr"}
    (paper,) = read(file, data, fields=fields)
    assert given(paper) == {"title": "A", "abstract": "Worte", "year": 2020}


def test_mapped_fields_may_lie_deep(read):
    record = {"attributes": {"text": {"de": "Worte"}}, "people": [{"n": "Ada"}, {"n": "Al"}]}
    fields = {"abstract": "attributes.text.de", "authors": "people.n", "title": "people.0.n"}
    (paper,) = read("a.jsonl", json.dumps(record), fields=fields)
    assert given(paper) == {"title": "Ada", "abstract": "Worte", "authors": ("Ada", "Al")}


def test_what_a_mapping_leaves_out_is_guessed_in_known_shapes_too(read):
    (paper,) = read("a.jsonl", json.dumps({**OPENALEX, "note": "Mine"}), fields={"title": "note"})
    assert (paper.title, paper.abstract, paper.venue) == ("Mine", "A clock is clock", "PeerJ")
    own = {"paper": {"name": "Mine"}, "text": "Words.", "year": 2020}
    (paper,) = read("b.jsonl", json.dumps(own), fields={"title": "paper.name"})
    assert given(paper) == {"title": "Mine", "abstract": "Words.", "year": 2020}


def test_a_reject_remembers_how_its_fields_were_mapped(read):
    fields = {"title": "Name", "abstract": "Text"}
    (bad,) = read("a.csv", "Name,Text\nA,\n", fields=fields)
    (paper,) = read("rejected.jsonl", json.dumps({**bad.to_dict(), "raw": "A,words"}))
    assert (paper.title, paper.abstract) == ("A", "words")


@pytest.mark.parametrize(
    ("file", "data", "fields", "message"),
    [
        ("a.csv", "a,b\n1,2\n", {"titel": "a"}, "no field of a paper is called 'titel'"),
        ("a.csv", "a,b\n1,2\n", {"title": "a", "abstract": "c"}, "has not the columns a, c"),
        ("a.bib", BIB, {"title": "a"}, "fields of the format 'bibtex' are fixed"),
    ],
)
def test_a_mapping_that_cannot_be(read, file, data, fields, message):
    with pytest.raises(SourceUnreadable, match=message):
        read(file, data, fields=fields)


# --- rejects


def test_rejects_of_no_known_format_stay_rejects(read):
    base = {"source": "a", "line": 3, "reason": "why", "raw": "{}"}
    lines = [
        {**base, "format": "os:system"},
        {**base, "format": "nowhere"},
        {**base, "raw": ""},
        {**base, "raw": "x" * 100_000},
        {"source": "a"},
        {**base, "raw": {"title": "As an object", "abstract": "words"}},
    ]
    records = read("rejected.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert [isinstance(r, Paper) for r in records] == [False] * 5 + [True]
    assert [(r.source, r.line) for r in records[:4]] == [("a", 3)] * 4
    assert "no source is called 'nowhere'" in records[1].reason
    assert records[2].reason == "why"
    assert "the text is not whole" in records[3].reason
    assert records[4].line == 5
