from pathlib import Path

import pytest

from rag.errors import SourceUnreadable
from rag.sources import open_source
from rag.sources._tidy import tidy
from rag.sources.hf_page import HfPage, first_link, looks_like_page
from rag.types import Paper, Rejected

ABSTRACT = "Badgers dig in the evening, and nobody has asked them why they do so. " * 5
SEED = Path(__file__).parents[2].parent / "shared/data/seed/trending-papers-page.txt"
FURNITURE = """new
Get trending papers by pigeon
Subscribe
byQX and the research community
Apr 2
Published on Mar 13, 2025
March 2025
Submitted by
Submitted by somebody
128
1.2k
·
· 5 authors
5 authors
-
Upvote
Upvote 35
GitHub 1.2k
View arXiv page
View PDF
arXiv Page
Project page
Add to collection
3 days ago
https://example.org/x
@somebody""".split("\n")


@pytest.fixture
def read(tmp_path):
    def read_text(*lines: str):
        path = tmp_path / "page.txt"
        path.write_text("\n\n".join(lines), encoding="utf-8")
        return list(HfPage().read(str(path)))

    return read_text


@pytest.mark.parametrize("line", FURNITURE)
def test_furniture_is_no_title(read, line):
    papers = read(line, "Why Badgers Dig", line, ABSTRACT, line, "Moss", ABSTRACT, line)
    assert [p.title for p in papers] == ["Why Badgers Dig", "Moss"]


def test_the_nearest_title_wins_and_the_lost_one_is_reported(read):
    lost, paper = read("A Title Without Its Text", "Why Badgers Dig", ABSTRACT)
    assert (lost.line, lost.reason) == (1, "no abstract under this title")
    assert paper == Paper("Why Badgers Dig", ABSTRACT.strip())


def test_a_title_at_the_end_is_reported(read):
    paper, lost = read("Moss", ABSTRACT, "A Title Without Its Text")
    assert isinstance(paper, Paper)
    assert (lost.line, lost.raw) == (5, "A Title Without Its Text")


def test_an_abstract_without_a_title_is_reported(read):
    paper, stray = read("Moss", ABSTRACT, ABSTRACT)
    assert isinstance(paper, Paper)
    assert (stray.line, stray.reason) == (5, "no title above this abstract")


def test_a_rejected_pair_shows_both_lines(read):
    (rejected,) = read("Moss", "x" * 60_000)
    assert rejected.reason == "abstract of 60,000 characters; the limit is 50,000"
    assert (rejected.line, rejected.raw[:8]) == (1, "Moss\n\nxx")


def test_a_text_with_no_paper_is_unreadable(read):
    with pytest.raises(SourceUnreadable, match=r"no paper found in .*--format"):
        read("Dear all,", "see you soon.")


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("Code: https://github.com/x/y.", "https://github.com/x/y"),
        ("(see github.com/x/y).", "https://github.com/x/y"),
        (r"at {\url{https://a.example/b}}.", "https://a.example/b"),
        ("https://a.example/b_(c), and", "https://a.example/b_(c)"),
        ("(https://a.example/b)", "https://a.example/b"),
        ("after https://arxiv.org/abs/1812.06145, https://a.example/", "https://a.example/"),
        ("mail me@github.com/x or nothing", None),
        ("no link", None),
    ],
)
def test_first_link(text, link):
    assert first_link(text) == link


def test_a_link_in_an_abstract_does_not_name_the_paper(read):
    (paper,) = read("Moss", ABSTRACT + "Data: https://doi.org/10.5281/zenodo.1.")
    assert (paper.url, paper.doi) == ("https://doi.org/10.5281/zenodo.1", None)


def test_looks_like_page():
    assert looks_like_page(f"new\n\nMoss\n\n{ABSTRACT}\n")
    assert not looks_like_page(f"{ABSTRACT}\n\n{ABSTRACT}")
    assert not looks_like_page("Dear all,\n\nsee you soon.")


@pytest.mark.skipif(not SEED.exists(), reason=f"needs the founding page at {SEED}")
def test_the_founding_page_comes_out_whole():
    records = list(open_source(str(SEED)))
    assert not [r for r in records if isinstance(r, Rejected)]
    assert len(records) == 70
    lines = SEED.read_text(encoding="utf-8").split("\n")
    # After ten lines of furniture: title, blank, abstract, blank.
    pairs = [(lines[n], lines[n + 2]) for n in range(10, 290, 4)]
    read = [(p.title, p.abstract) for p in records]
    assert read == [(tidy(title), tidy(abstract)) for title, abstract in pairs]
    # Two hold LaTeX: an accent and an address.
    assert sum(mine != theirs for mine, theirs in zip(read, pairs, strict=True)) == 2
    assert sum(p.url is not None for p in records) == 21
