from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from rag.errors import IndexFailure, IndexMismatch, IndexMissing
from rag.index import Manifest, paper_of
from tests.conftest import Home, make_papers

PAPERS = make_papers(12, sentences=10)


@pytest.fixture
def ready(home: Home) -> Home:
    home.ingest(PAPERS)
    return home


def generations(home: Home) -> list[str]:
    return sorted(path.name for path in home.root.glob("gen-*"))


def test_nothing_indexed_yet(home: Home) -> None:
    with pytest.raises(IndexMissing, match="Run: footnoted ingest SOURCE"):
        home.index()


def test_the_manifest_says_what_made_the_index(ready: Home) -> None:
    manifest = Manifest.read(ready.root)
    assert manifest is not None
    assert manifest.recipe == ready.recipe
    assert (manifest.papers, manifest.chunks) == (12, len(ready.index().lexical.ids))
    assert manifest.recipe.max_chars == 1000


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"embedding": "all-mpnet@1"}, "embedding: index hashing-256-v1, settings all-mpnet@1"),
        ({"chunker": "99/1000"}, "chunker"),
        ({"lexical": "99"}, "lexical"),
        ({"store": "chroma"}, "store: index memory, settings chroma"),
        ({"format": 99}, "format"),
    ],
)
def test_any_other_recipe_is_a_mismatch(ready: Home, change: dict[str, str], named: str) -> None:
    manifest = Manifest.read(ready.root)
    assert manifest is not None
    with pytest.raises(IndexMismatch, match=f"{named}.*Run: footnoted ingest --rebuild"):
        manifest.check(replace(ready.recipe, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"folder": "gen-000001"}', "\x00\xff", '"current"', "null"]
)
def test_an_unreadable_manifest_is_named_and_a_rebuild_mends_it(ready: Home, text: str) -> None:
    before = ready.contents()
    (ready.root / "current.json").write_text(text, encoding="latin-1")
    with pytest.raises(IndexFailure, match=r"current.json cannot be read.*ingest --rebuild"):
        ready.index()
    _, embedded, _ = ready.ingest([], anew=True)
    assert embedded == 0
    assert ready.contents() == before


def test_a_manifest_of_a_later_format_is_named(ready: Home) -> None:
    path = ready.root / "current.json"
    path.write_text(path.read_text().replace('"papers"', '"shards": 3, "papers"'))
    with pytest.raises(IndexFailure, match="ingest --rebuild"):
        ready.index()


def test_leftovers_of_killed_builds_are_swept(ready: Home) -> None:
    for name in ("gen-000002", "gen-000009", "gen-strange"):
        (ready.root / name / "vectors").mkdir(parents=True)
    ready.ingest(make_papers(13, sentences=10))
    current = Manifest.read(ready.root)
    assert current is not None
    assert current.folder == "gen-000002"
    assert generations(ready) == ["gen-000001", "gen-000002"]  # a reader may still hold the first
    ready.ingest([], delete=["p0"])
    assert generations(ready) == ["gen-000002", "gen-000003"]


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_readers_go_on_while_a_new_generation_is_published(home: Home, store: str) -> None:
    home.store = store
    home.ingest(PAPERS)
    vector = home.embedder.embed_query(["sparse graph"])[0]
    old = home.index()
    before = old.vectors.search(vector, 5), old.lexical.search("sparse graph", 5)
    home.ingest([], delete=[paper_of(before[0][0][0])])
    assert (old.vectors.search(vector, 5), old.lexical.search("sparse graph", 5)) == before
    new = home.index()
    assert new.manifest.folder != old.manifest.folder
    assert before[0][0][0] not in [name for name, _ in new.vectors.search(vector, 100)]
    old.close()
    new.close()


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_deleted_vectors_are_noticed_and_made_again(home: Home, store: str) -> None:
    home.store = store
    home.ingest(PAPERS)
    before = home.contents()
    shutil.rmtree(home.root / "gen-000001" / "vectors")
    with pytest.raises(IndexFailure, match=r"holds 0 of .* chunks.*ingest --rebuild"):
        _ = home.index().vectors
    _, embedded, _ = home.ingest([], anew=True)
    assert embedded == 0
    assert home.contents() == before


def test_an_ingest_after_lost_vectors_writes_all_of_them(ready: Home) -> None:
    folder = ready.root / "gen-000001" / "vectors"
    shutil.rmtree(folder)
    folder.mkdir()
    ready.ingest(make_papers(13, sentences=10))
    assert ready.index().vectors.count() == len(ready.index().lexical.ids)


def test_a_deleted_generation_is_noticed(ready: Home) -> None:
    shutil.rmtree(ready.root / "gen-000001")
    with pytest.raises(IndexFailure, match=r"is gone.*ingest --rebuild"):
        ready.index()


@pytest.mark.parametrize("file", ["ids.json", "params.index.json", "data.csc.index.npy"])
def test_a_damaged_word_index_is_our_error(ready: Home, file: str) -> None:
    path = ready.root / "gen-000001" / "lexical" / file
    path.write_bytes(b"\x00")
    with pytest.raises(IndexFailure, match=r"lexical index cannot be read.*ingest --rebuild"):
        _ = ready.index().lexical


def test_closing_an_index_that_was_never_searched(ready: Home) -> None:
    index = ready.index()
    index.close()
    assert "vectors" not in vars(index)


@pytest.mark.parametrize("name", ["p", "p#1", "doi:10.1/a#b"])
def test_a_chunk_knows_its_paper(name: str) -> None:
    assert paper_of(f"{name}#0") == name
