"""The cross-encoder: what is kept of it, and that it reads two texts together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rag._bert import BertWeights, Layer, Linear, NumpyBert
from rag._reader import Reader, changed, differences, under
from rag.embedding import SentenceTransformersEmbedder, _default_folder
from rag.errors import EmbeddingError

SPANN = "SPANN keeps the centroids in memory and the posting lists on disk."


@pytest.fixture(scope="module")
def weights() -> BertWeights:
    return BertWeights(_default_folder())


@pytest.fixture(scope="module")
def reader() -> Reader:
    found = SentenceTransformersEmbedder("default").reader
    assert found is not None
    return found


def _moved(layer: Layer, rng: np.random.Generator) -> Layer:
    def linear(old: Linear) -> Linear:
        noise = rng.normal(0, 0.01, old.weight.shape).astype(np.float32)
        return Linear(old.weight + noise, old.bias + np.float32(0.25))

    return replace(layer, qkv=linear(layer.qkv), outer=linear(layer.outer))


def test_differences_bring_one_layer_to_the_other(weights: BertWeights) -> None:
    before = weights.layers[:2]
    rng = np.random.default_rng(0)
    after = [_moved(layer, rng) for layer in before]
    kept = differences(before, after)
    assert kept["0.qkv.weight"].dtype == np.int8
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        made = changed(old, number, kept)
        step = np.abs(new.qkv.weight - old.qkv.weight).max(axis=0) / 127
        assert np.all(np.abs(made.qkv.weight - new.qkv.weight) <= 0.51 * step + 1e-7)
        assert np.allclose(made.qkv.bias, new.qkv.bias, atol=1e-3)
        assert np.array_equal(made.inner.weight, old.inner.weight)


def test_two_texts_are_read_as_transformers_reads_them(weights: BertWeights) -> None:
    import torch
    from transformers import AutoTokenizer, BertModel

    pairs = [("How much memory?", SPANN), (SPANN, "Nothing."), ("a", "b " * 300)]
    model = BertModel.from_pretrained(_default_folder()).eval()
    tokenizer = AutoTokenizer.from_pretrained(_default_folder())
    for pair, ours in zip(pairs, NumpyBert(weights).means(pairs), strict=True):
        read = tokenizer(*pair, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            theirs = model(**read).last_hidden_state[0].mean(0).numpy()
        assert np.allclose(ours, theirs, atol=2e-4)


def test_what_is_stated_is_supported_more_than_what_is_denied(reader: Reader) -> None:
    stated = reader.supports("The centroids are kept in memory.", SPANN)
    denied = reader.supports("The centroids are not kept in memory.", SPANN)
    elsewhere = reader.supports("Statins lower cholesterol in adults.", SPANN)
    assert stated.shape == (3,)
    assert np.argmax(stated) == 0
    assert stated[0] - stated[1] > denied[0] - denied[1]
    assert np.argmax(elsewhere) == 2


def test_a_sentence_that_answers_is_told_from_one_that_does_not(reader: Reader) -> None:
    question = "Where does SPANN keep its posting lists?"
    other = "We thank the reviewers for their comments."
    assert reader.answers(question, SPANN) > reader.answers(question, other)


def test_half_a_character_is_read_for_what_it_is(reader: Reader) -> None:
    odd = "\udce9 where are they kept? \ud83d"
    assert np.isfinite(reader.answers(odd, SPANN))
    assert np.isfinite(reader.supports(SPANN, odd)).all()


def test_a_broken_file_is_told_with_the_way_out(weights: BertWeights, tmp_path) -> None:
    for content in (b"", b"not an archive"):
        (tmp_path / "reader.npz").write_bytes(content)
        with pytest.raises(EmbeddingError, match="reinstall footnoted"):
            Reader(weights, tmp_path / "reader.npz")


def test_only_the_model_that_ships_has_one(tmp_path) -> None:
    assert SentenceTransformersEmbedder(str(_default_folder())).reader is None


@pytest.mark.parametrize(
    ("title", "head"),
    [
        ("Kestrel: a graph index on disk.", "Kestrel"),
        ("A plain title.", "A plain title"),
        (
            "A title that goes on and on, beyond what is kept of it",
            "A title that goes on and on, beyond what is kept",
        ),
        ("x" * 80, "x" * 50),
        ("", ""),
    ],
)
def test_a_sentence_is_read_under_the_head_of_its_title(title, head):
    assert under(title, "It flies.") == f"{head}. It flies."
