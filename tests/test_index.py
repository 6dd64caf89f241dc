from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

import rag.indexing
from rag.errors import IndexFailure, IndexMismatch, IndexMissing
from rag.index import paper_of
from rag.indexing import build_words
from rag.ingest import store_records, writing
from rag.library import Library
from rag.manifest import Manifest
from tests.conftest import Home, make_papers

PAPERS = make_papers(12, sentences=10)


@pytest.fixture
def ready(home: Home) -> Home:
    home.ingest(PAPERS)
    return home


def generations(home: Home) -> list[str]:
    return sorted(path.name for path in home.root.iterdir() if path.is_dir())


def test_nothing_indexed_yet(home: Home) -> None:
    with pytest.raises(IndexMissing, match="Run: footnoted ingest SOURCE"):
        home.index()


def test_the_manifest_says_what_made_the_index(ready: Home) -> None:
    manifest = Manifest.read(ready.root)
    assert manifest is not None
    assert manifest.recipe == ready.recipe
    assert (manifest.papers, manifest.chunks) == (12, len(ready.dense(ready.index()).table.ids))
    assert manifest.vectors is not None and manifest.vectors.missing == 0
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
    "text", ["", "{", "[]", "{}", '{"folder": "words-000001"}', "\x00\xff", '"current"', "null"]
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


@pytest.mark.parametrize("found", [1, 99])
def test_an_index_of_another_format_is_named_and_a_rebuild_mends_it(
    ready: Home, found: int
) -> None:
    before = ready.contents()
    path = ready.root / "current.json"
    path.write_text(path.read_text().replace('"format": 2', f'"format": {found}'))
    with pytest.raises(IndexMismatch, match=f"format {found}.*format 2.*ingest --rebuild"):
        ready.index()
    _, embedded, _ = ready.ingest([], anew=True)
    assert (embedded, ready.contents()) == (0, before)


def test_leftovers_of_killed_builds_are_swept(ready: Home) -> None:
    for name in ("gen-000002", "vectors-000009", "words-strange"):
        (ready.root / name / "vectors").mkdir(parents=True)
    ready.ingest(make_papers(13, sentences=10))
    current = Manifest.read(ready.root)
    assert current is not None and current.vectors is not None
    assert (current.words.folder, current.vectors.folder) == ("words-000002", "vectors-000002")
    assert "vectors-000001" in generations(ready)  # a reader may still hold the one before
    assert not {"gen-000002", "vectors-000009", "words-strange"} & set(generations(ready))


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_readers_go_on_while_a_new_generation_is_published(home: Home, store: str) -> None:
    home.store = store
    home.ingest(PAPERS)
    vector = home.embedder.embed_query(["sparse graph"])[0]
    old = home.index()
    dense = home.dense(old)
    before = dense.search(vector, 5), old.lexical.search("sparse graph", 5)
    home.ingest([], delete=[paper_of(before[0][0][0])])
    assert (dense.search(vector, 5), old.lexical.search("sparse graph", 5)) == before
    new = home.index()
    assert new.manifest.vectors != old.manifest.vectors
    assert before[0][0][0] not in [name for name, _ in home.dense(new).search(vector, 100)]
    old.close()
    new.close()


def test_words_are_found_before_there_are_vectors(home: Home) -> None:
    with writing(home.path):
        library = Library(home.path / "library.sqlite")
        store_records(library, [("test", p) for p in PAPERS], home.path / "rejected.jsonl")
        manifest = build_words(library, home.root, home.recipe)
        assert (manifest.vectors, manifest.behind(library.revision())) == (None, "vectors")
        hits = home.retriever().search(
            PAPERS[3].title, home.embedder.embed_query(["x"])[0], 3, mode="hybrid"
        )
        assert hits[0].paper.id == "p3" and hits[0].dense is None
        library.close()
    _, _, manifest = home.ingest([])
    assert manifest.vectors is not None and home.contents()["chunks"]


def test_vectors_are_indexed_as_they_come(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag.indexing, "_FIRST", 4)
    monkeypatch.setattr(rag.indexing, "_WINDOW", 4)
    seen = []

    def watch(stage: str, done: int, total: int | None) -> None:
        manifest = Manifest.read(home.root)
        if stage == "embedding" and manifest and manifest.vectors:
            part = manifest.vectors
            seen.append(part.chunks)
            assert part.missing > 0
            found = home.dense(home.index()).search(home.embedder.embed_query(["graph"])[0], 99)
            assert len(found) == part.chunks

    _, _, manifest = home.ingest(PAPERS, watch)
    assert seen and max(seen) < manifest.chunks
    assert manifest.vectors is not None and manifest.vectors.missing == 0


@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_deleted_vectors_are_noticed_and_made_again(home: Home, store: str) -> None:
    home.store = store
    home.ingest(PAPERS)
    before = home.contents()
    shutil.rmtree(home.root / "vectors-000001" / "vectors")
    with pytest.raises(IndexFailure, match=r"holds 0 of .* chunks.*ingest --rebuild"):
        _ = home.index().dense
    _, embedded, _ = home.ingest([], anew=True)
    assert embedded == 0
    assert home.contents() == before


def test_an_ingest_after_lost_vectors_writes_all_of_them(ready: Home) -> None:
    folder = ready.root / "vectors-000001" / "vectors"
    shutil.rmtree(folder)
    folder.mkdir()
    ready.ingest(make_papers(13, sentences=10))
    dense = ready.dense(ready.index())
    assert dense.store.count() == len(dense.table.ids)


@pytest.mark.parametrize("folder", ["words-000001", "vectors-000001"])
def test_a_deleted_folder_is_noticed(ready: Home, folder: str) -> None:
    shutil.rmtree(ready.root / folder)
    with pytest.raises(IndexFailure, match=r"is gone.*ingest --rebuild"):
        ready.index()


@pytest.mark.parametrize("file", ["ids.json", "params.index.json", "data.csc.index.npy"])
def test_a_damaged_word_index_is_our_error(ready: Home, file: str) -> None:
    path = ready.root / "words-000001" / file
    path.write_bytes(b"\x00")
    with pytest.raises(IndexFailure, match=r"lexical index cannot be read.*ingest --rebuild"):
        _ = ready.index().lexical


@pytest.mark.parametrize("file", ["chunks.json", "rows.npy", "hashes.npy"])
def test_a_damaged_vector_index_is_our_error(ready: Home, file: str) -> None:
    (ready.root / "vectors-000001" / file).write_bytes(b"\x00")
    with pytest.raises(IndexFailure, match=rf"{file} cannot be read.*ingest --rebuild"):
        _ = ready.index().dense


def test_closing_an_index_that_was_never_searched(ready: Home) -> None:
    index = ready.index()
    index.close()
    assert "dense" not in vars(index)


@pytest.mark.parametrize("name", ["p", "p#1", "doi:10.1/a#b"])
def test_a_chunk_knows_its_paper(name: str) -> None:
    assert paper_of(f"{name}#0") == name
