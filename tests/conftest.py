"""What several test files share: small papers, ready homes, and the data that may be absent."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings

from rag.config import EmbeddingSettings
from rag.embedding import Embedder, HashingEmbedder, make_embedder
from rag.index import Dense, Index
from rag.indexing import build_vectors, build_words, embed_missing
from rag.ingest import Progress, silent, store_records, writing
from rag.library import Library
from rag.manifest import Manifest, Recipe
from rag.retrieve import Retriever
from rag.sources import open_source
from rag.stores import STORES
from rag.types import IngestReport, Paper, Record

# A busy machine is no failure: pytest's own timeout ends what hangs.
hypothesis_settings.register_profile("footnoted", deadline=None)
hypothesis_settings.load_profile("footnoted")

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "rag" / "sample" / "papers.jsonl"
SEED = ROOT.parent / "shared" / "data" / "seed" / "trending-papers-page.txt"
_WORDS = """sparse dense graph memory retrieval encoder protein token agent policy reward signal
    latent vision speech kernel cache index query abstract sentence citation model benchmark
    margin transformer diffusion gradient sample noise prior""".split()


def make_papers(count: int, seed: int = 7, sentences: int = 6) -> list[Paper]:
    """Papers that look like papers, the same ones every time."""
    rng = random.Random(seed)

    def sentence(length: int) -> str:
        return " ".join(rng.choices(_WORDS, k=length)).capitalize() + "."

    return [
        Paper(
            title=f"{sentence(5)[:-1]} {number}",
            abstract=" ".join(sentence(rng.randint(6, 24)) for _ in range(sentences)),
            id=f"p{number}",
            authors=(f"Author {number % 7}",),
            year=2000 + number % 25,
            venue=f"Venue {number % 3}",
            categories=(f"cs.{number % 4}",),
        )
        for number in range(count)
    ]


class CountingEmbedder(HashingEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.texts.extend(texts)
        return super().embed(texts)

    def embed_query(self, texts: Sequence[str]) -> np.ndarray:
        return HashingEmbedder.embed(self, texts)


@dataclass
class Home:
    """A home worked on through the functions that the chatbot composes."""

    path: Path
    embedder: Embedder
    store: str = "memory"
    max_chars: int = 1000

    @property
    def root(self) -> Path:
        return self.path / "index"

    @property
    def recipe(self) -> Recipe:
        return Recipe.of(self.embedder.fingerprint, self.max_chars, self.store)

    def ingest(
        self,
        records: Sequence[Record],
        progress: Progress = silent,
        *,
        anew: bool = False,
        delete: Sequence[str] = (),
    ) -> tuple[IngestReport, int, Manifest]:
        """The three steps, in the order of a real run."""
        with writing(self.path):
            library = Library(self.path / "library.sqlite")
            try:
                library.delete(delete)
                pairs = [("test", record) for record in records]
                report = store_records(library, pairs, self.path / "rejected.jsonl", progress)
                build_words(library, self.root, self.recipe, progress, anew=anew)
                embedded = 0
                for done in embed_missing(library, self.embedder, self.max_chars, progress):
                    embedded = done
                    build_vectors(library, self.root, self.recipe, STORES, progress)
                manifest = build_vectors(library, self.root, self.recipe, STORES, progress)
            finally:
                library.close()
        return report, embedded, manifest

    def library(self) -> Library:
        return Library(self.path / "library.sqlite", read_only=True)

    def index(self) -> Index:
        return Index.open(self.root, self.recipe)

    def retriever(self) -> Retriever:
        return Retriever(self.index(), self.library())

    def contents(self) -> dict[str, object]:
        """What a reader can see of the home: equal contents are equal homes."""
        library, index = self.library(), self.index()
        try:
            return {
                "papers": sorted((p.id, p.title, p.abstract) for p in library.papers()),
                "indexed": sorted(index.lexical.ids),
                "chunks": sorted(self.dense(index).table.ids),
                "vectors": sorted(self.dense(index).search(self._probe(), 10_000)),
                "words": index.lexical.search("sparse graph memory", 50),
            }
        finally:
            index.close()
            library.close()

    @staticmethod
    def dense(index: Index) -> Dense:
        assert index.dense is not None
        return index.dense

    def _probe(self) -> np.ndarray:
        return self.embedder.embed_query(["sparse graph memory"])[0]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home with the hashing embedder and the exact store: quick."""
    return Home(tmp_path / "home", CountingEmbedder())


@pytest.fixture
def hashing() -> EmbeddingSettings:
    """Settings of the embedder that needs no model."""
    return EmbeddingSettings(name="hashing")


@pytest.fixture(scope="session")
def sample_papers() -> list[Paper]:
    return [record for record in open_source(str(SAMPLE)) if isinstance(record, Paper)]


class _SmallBatches:
    """The default model, a few texts at a time: then the adapter needs no torch."""

    def __init__(self) -> None:
        self._inner = make_embedder(EmbeddingSettings())
        self.fingerprint = self._inner.fingerprint

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return _in_parts(self._inner.embed, texts)

    def embed_query(self, texts: Sequence[str]) -> np.ndarray:
        return _in_parts(self._inner.embed_query, texts)


def _in_parts(embed: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]) -> np.ndarray:
    return np.concatenate([embed(texts[i : i + 64]) for i in range(0, len(texts), 64)])


@pytest.fixture(scope="session")
def sample_home(
    tmp_path_factory: pytest.TempPathFactory, sample_papers: list[Paper]
) -> Iterator[Home]:
    """The 70 sample papers, ingested once with the real model and Chroma. Read it, never write."""
    ready = Home(tmp_path_factory.mktemp("sample") / "home", _SmallBatches(), store="chroma")
    ready.ingest(sample_papers)
    yield ready


@pytest.fixture(scope="session")
def seed_page() -> Path:
    if not SEED.is_file():
        pytest.skip("the pasted page of trending papers is not on this machine")
    return SEED
