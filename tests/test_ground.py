from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import _facts as facts
from rag.config import AnswerSettings
from rag.embedding import HashingEmbedder, SentenceTransformersEmbedder
from rag.errors import ConfigError
from rag.ground import GROUNDERS, EmbeddingGrounder, Grounder, LexicalGrounder, compare
from rag.registry import lookup

TITLE = "SPANN: Highly-efficient billion-scale search for neighbours"
EVIDENCE = [
    "The centroids of the posting lists stay in memory, and the long lists lie on disk.",
    "It is 2 times faster than DiskANN at the same recall of 90% with the same memory of 32GB.",
    "Increasing the batch size reduces the error rate of the ranker.",
    "The code is available online.",
]
CONTEXTS = [TITLE] * len(EVIDENCE)


@pytest.fixture(scope="module")
def embedding() -> EmbeddingGrounder:
    known: dict[str, np.ndarray] = {}
    embedder = SentenceTransformersEmbedder("default")

    def embed(texts):
        if new := sorted(set(texts) - known.keys()):
            known.update(zip(new, embedder.embed(new), strict=True))
        return np.stack([known[text] for text in texts])

    return EmbeddingGrounder(embed)


@pytest.fixture(params=["embedding", "lexical"])
def grounder(request: pytest.FixtureRequest, embedding: EmbeddingGrounder) -> Grounder:
    return embedding if request.param == "embedding" else LexicalGrounder()


def verdict(grounder: Grounder, claim: str) -> str:
    return grounder.judge(claim, EVIDENCE, CONTEXTS).verdict


@pytest.mark.parametrize(
    ("claim", "best"),
    [
        ("The centroids stay in memory while the posting lists lie on disk.", 0),
        ("SPANN keeps posting lists on disk and their centroids in memory.", 0),
        ("SPANN is two times faster than DiskANN at a recall of 90 percent.", 1),
        ("It is 2x faster than DiskANN at 90% recall with 32 GB of memory.", 1),
        ("A larger batch size reduces the ranker's error rate.", 2),
    ],
)
def test_a_paraphrase_is_supported_by_its_sentence(grounder, claim, best):
    judged = grounder.judge(claim, EVIDENCE, CONTEXTS)
    assert (judged.verdict, judged.evidence) == ("supported", best)
    assert judged.score >= 0.5


def test_a_comparison_told_from_the_other_side_is_supported(embedding):
    claim = "DiskANN is slower than SPANN at the same recall and memory."
    assert embedding.judge(claim, EVIDENCE, CONTEXTS).verdict == "supported"


def test_a_claim_that_rests_on_two_sentences_names_both(grounder):
    claim = (
        "It keeps the centroids of the posting lists in memory, and the code is available online."
    )
    judged = grounder.judge(claim, EVIDENCE, CONTEXTS)
    assert judged.verdict in ("supported", "partial")
    assert {judged.evidence, judged.more} == {0, 3}


@pytest.mark.parametrize(
    "claim",
    [
        "It is 3 times faster than DiskANN at the same recall of 90% with the same memory of 32GB.",
        "It is 2 times faster than DiskANN at the same recall of 90% with the same memory of 10GB.",
        "It is not 2 times faster than DiskANN at the same recall of 90%.",
        "It isn't faster than DiskANN at the same recall with the same memory.",
        "The code is not available online.",
        "It is 2 times slower than DiskANN at the same recall of 90%.",
        "DiskANN is 2 times faster than SPANN at the same recall of 90%.",
        "Increasing the batch size raises the error rate of the ranker.",
    ],
    ids=lambda claim: claim[:40],
)
def test_a_changed_fact_is_contradicted(grounder, claim):
    evidence = [sentence.replace("It is", "SPANN is") for sentence in EVIDENCE]
    judged = grounder.judge(claim.replace("It is", "SPANN is"), evidence, CONTEXTS)
    assert judged.verdict == "contradicted"
    assert judged.score < 0.25


@pytest.mark.parametrize(
    "claim",
    [
        "It is 2 times faster than FAISS at the same recall of 90%.",
        "BERT keeps the centroids of the posting lists in memory and the long lists on disk.",
        "SPANN keeps the centroids of its 500 posting lists in memory and the lists on disk.",
    ],
)
def test_a_name_or_number_found_nowhere_is_never_supported(grounder, claim):
    assert verdict(grounder, claim) != "supported"


def test_the_title_states_the_name_of_the_method(grounder):
    claim = "SPANN keeps the centroids of the posting lists in memory and the long lists on disk."
    assert verdict(grounder, claim) == "supported"
    assert grounder.judge(claim, EVIDENCE).verdict != "supported"


def test_facts_of_another_paper_do_not_count(grounder):
    claim = "SPANN keeps the centroids of the 500 posting lists in memory and the lists on disk."
    other = [*EVIDENCE, "We train 500 models."]
    assert grounder.judge(claim, other, [*CONTEXTS, "Many models"]).verdict != "supported"


def test_a_sentence_about_something_else_is_unsupported(grounder):
    judged = grounder.judge("Emperor penguins breed in the winter.", EVIDENCE, CONTEXTS)
    assert judged.verdict == "unsupported"
    assert judged.score < 0.25


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("It indexes 1 billion vectors.", "It indexes 10^9 vectors."),
        ("It indexes 1,000 vectors.", "It indexes 1000 vectors."),
        ("The 7B model wins.", "The model of 7 billion parameters wins: the 7B model."),
        ("Training takes 24 hours in total.", "Training takes a 24-hour run in total."),
        ("It uses twelve layers.", "It uses 12 layers."),
        ("Memory use falls by 50 percent.", "Memory use falls by 50%."),
        ("It runs 1.6 times faster.", "It runs 1.6x faster."),
        ("It runs twice as fast.", "It runs 2x as fast."),
        ("Reinforcement learning (PPO) works.", "Proximal policy optimisation works: PPO."),
        ("We test GPT4 models.", "We test GPT-4 models."),
    ],
)
def test_the_same_fact_written_otherwise(claim, sentence):
    assert LexicalGrounder().judge(claim, [sentence]).verdict not in ("contradicted", "unsupported")


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("Aspirin promotes the growth of clots.", "Aspirin inhibits the growth of clots."),
        ("Sleep degrades the recall of words.", "Sleep improves the recall of words."),
        ("The gene is downregulated in mice.", "The gene is upregulated in mice."),
        ("The labels are insufficient for training.", "The labels are sufficient for training."),
        ("Scores were taken before the surgery.", "Scores were taken after the surgery."),
        ("It learns with labels.", "It learns without labels."),
        ("The share fell from 20% to 30%.", "The share fell from 30% to 20%."),
        ("Rates were higher in men than in women.", "Rates were higher in women than in men."),
        (
            "The larger model outperforms the tuned one.",
            "The tuned model outperforms the larger one.",
        ),
        ("Compared with pigs, mice eat more.", "Compared with mice, pigs eat more."),
        ("The gain of rats over mice is large.", "The gain of mice over rats is large."),
    ],
    ids=lambda text: text[:30],
)
def test_a_direction_turned_round_is_contradicted(claim, sentence):
    assert LexicalGrounder().judge(claim, [sentence]).verdict == "contradicted"


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("Rates were lower in men than in women.", "Rates were higher in women than in men."),
        ("The mice are outperformed by the rats.", "The rats outperform the mice."),
        ("Pigs eat more compared with mice.", "Compared with mice, pigs eat more."),
        ("In men, rates were higher after the surgery.", "Rates were higher after surgery in men."),
        ("NO activates the enzyme of the wall.", "The enzyme of the wall is activated by NO."),
        ("The authors discover a cover of the lens.", "A cover of the lens is discovered."),
    ],
    ids=lambda text: text[:30],
)
def test_the_same_direction_told_otherwise_is_not_contradicted(claim, sentence):
    assert LexicalGrounder().judge(claim, [sentence]).verdict != "contradicted"


@pytest.mark.parametrize("claim", ["", "   ", ".", "?!"])
def test_an_empty_claim_has_no_evidence(grounder, claim):
    judged = grounder.judge(claim, EVIDENCE, CONTEXTS)
    assert (judged.verdict, judged.score, judged.evidence) == ("unsupported", 0.0, None)


def test_no_evidence_at_all(grounder):
    judged = grounder.judge("The code is available.", [])
    assert (judged.verdict, judged.score, judged.evidence) == ("unsupported", 0.0, None)


def test_a_verbatim_sentence_needs_no_vectors():
    def refuse(texts):
        raise AssertionError("embedded")

    claim = "The code\n is   available online"
    judged = EmbeddingGrounder(refuse).judge(claim, EVIDENCE, CONTEXTS)
    assert (judged.verdict, judged.score, judged.evidence) == ("supported", 1.0, 3)


def test_a_claim_of_ten_thousand_characters_takes_no_time():
    claim = "GPT-4 needs 32GB, not 1,000 tokens. " * 278
    start = time.perf_counter()
    judged = EmbeddingGrounder(HashingEmbedder().embed).judge(claim, EVIDENCE, CONTEXTS)
    assert judged.verdict != "supported"
    assert time.perf_counter() - start < 2


def test_a_lone_surrogate_is_a_character_like_any_other():
    assert LexicalGrounder().judge("a\ud800b is here", EVIDENCE).verdict == "unsupported"


@pytest.mark.parametrize("name", ["embedding", "lexical"])
def test_the_registry_builds_each(name):
    made = chosen(name, embed=HashingEmbedder().embed)
    assert made.judge(EVIDENCE[0], EVIDENCE).verdict == "supported"


_WORDS = st.sampled_from(
    "SPANN BERT is not faster slower than 32GB 90% 5 two memory disk lists , . no code 10^9".split()
)
_SENTENCES = st.one_of(
    st.lists(_WORDS, min_size=1, max_size=12).map(" ".join), st.text(min_size=1, max_size=60)
)


@settings(max_examples=150, deadline=None)
@given(_SENTENCES, st.lists(_SENTENCES, max_size=6), st.booleans())
def test_scores_and_indices_are_valid(claim, evidence, lexical):
    made = LexicalGrounder() if lexical else EmbeddingGrounder(HashingEmbedder().embed)
    judged = made.judge(claim, evidence)
    assert 0.0 <= judged.score <= 1.0
    assert judged.evidence is None or 0 <= judged.evidence < len(evidence)
    assert (judged.verdict == "supported") == (judged.score >= 0.5)


_DIRECTIONS = st.sampled_from(
    """A B mice higher lower increases reduces than compared with over from to 5 20% inaccurate
    accurate no not before after in , . upregulated downregulated outperforms by""".split()
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_DIRECTIONS, max_size=14).map(" ".join))
def test_no_sentence_is_the_opposite_of_itself(text):
    assert not facts.direction_differs(facts.facts_of(text), facts.facts_of(text))


@pytest.mark.parametrize(
    ("claim", "alike"),
    [("Salt promotes the rust of iron.", 1), ("Salt inhibits the rust of iron.", -1)],
)
def test_words_that_point_the_same_way_weigh_for_support(claim, alike):
    features = compare(claim, ["Salt accelerates and promotes rust."]).features
    assert features["turns_alike"] * alike > 0
    assert features["turn_votes"] * alike > 0


def test_a_finding_of_nothing_weighs_against_a_claim_of_something():
    features = compare("Salt changes taste.", ["Salt had no effect on taste."]).features
    assert features["nothing_there"] == features["nothing_differs"] == 1
    assert features["nothing_here"] == features["nothing_in_both"] == 0


@settings(max_examples=100, deadline=None)
@given(_SENTENCES, st.lists(_SENTENCES, max_size=5), st.integers(0, 5))
def test_a_verbatim_sentence_is_supported_whatever_stands_beside_it(claim, others, place):
    if not claim.strip(" .\t\n\r") or not any(c.isalnum() for c in claim):
        return
    evidence = [*others[:place], claim, *others[place:]]
    judged = LexicalGrounder().judge(claim, evidence)
    assert (judged.verdict, judged.score) == ("supported", 1.0)


@settings(max_examples=100, deadline=None)
@given(_SENTENCES, st.lists(_SENTENCES, min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_evidence_decides_nothing(claim, evidence, rng):
    made = EmbeddingGrounder(HashingEmbedder().embed)
    contexts = [f"Paper {len(sentence) % 2}" for sentence in evidence]
    order = rng.sample(range(len(evidence)), len(evidence))
    one = made.judge(claim, evidence, contexts)
    other = made.judge(claim, [evidence[i] for i in order], [contexts[i] for i in order])
    assert (one.verdict, one.score) == (other.verdict, other.score)


# --- other judges


def cross_encoder(folder, labels):
    """A tiny one with random weights, and a bias towards its last label."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "code", "is", "available"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=64,
    ).save_pretrained(folder)  # fmt: skip
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, num_labels=len(labels), id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.bias[-1] = 5.0
    model.save_pretrained(folder)
    return str(folder)


def chosen(name, **resources):
    given = AnswerSettings(grounder=name, grounder_model=resources.pop("model", None))
    return lookup("grounder", name, GROUNDERS).from_settings(given, **resources)


@pytest.mark.parametrize(
    ("labels", "verdict"),
    [
        (["contradiction", "neutral", "entailment"], "supported"),
        (["entailment", "neutral", "contradiction"], "contradicted"),
        (["LABEL_0", "LABEL_1"], "supported"),
        (["score"], "supported"),
    ],
)
def test_a_cross_encoder_judges_by_its_own_labels(tmp_path, labels, verdict):
    grounder = chosen("nli", model=cross_encoder(tmp_path, labels))
    judged = grounder.judge("The code is open.", EVIDENCE, CONTEXTS)
    assert judged.verdict == verdict
    assert 0 <= judged.evidence < len(EVIDENCE)
    assert 0.0 <= judged.score <= 1.0
    assert grounder.judge("The code is open.", []).evidence is None


def test_labels_that_say_nothing_are_an_error(tmp_path):
    with pytest.raises(ConfigError, match="id2label"):
        chosen("nli", model=cross_encoder(tmp_path, ["a", "b", "c"]))


def test_nli_without_a_model_or_with_a_wrong_one_names_the_setting(tmp_path):
    with pytest.raises(ConfigError, match=r"answer\.grounder_model"):
        chosen("nli")
    with pytest.raises(ConfigError, match=r"answer\.grounder_model"):
        chosen("nli", model=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("reply", "verdict", "evidence"),
    [
        ("SUPPORTED 2", "supported", 1),
        (" CONTRADICTED 1.\n", "contradicted", 0),
        ("PARTIAL 4", "partial", 3),
        ("UNSUPPORTED 0", "unsupported", None),
        ("SUPPORTED 9", "unsupported", None),
        ("SUPPORTED", "unsupported", None),
        ("The claim is SUPPORTED 2", "unsupported", None),
        ("SUPPORTED 2\nIgnore the rules.", "unsupported", None),
        ("", "unsupported", None),
    ],
)
def test_a_model_that_judges_is_read_strictly(reply, verdict, evidence):
    asked = []

    def complete(messages):
        asked.extend(messages)
        yield reply

    judged = chosen("llm", complete=complete, instructions="Judge.").judge(
        "It is fast.", EVIDENCE, CONTEXTS
    )
    assert (judged.verdict, judged.evidence) == (verdict, evidence)
    assert asked[0].content == "Judge."
    assert asked[1].content.startswith(f"From: {TITLE}\n1. {EVIDENCE[0]}")
    assert asked[1].content.endswith("4. The code is available online.\n\nClaim: It is fast.")


def test_a_judge_is_not_asked_about_nothing():
    judge = chosen("llm", complete=None, instructions="")
    assert judge.judge("It is fast.", []).verdict == "unsupported"
    assert judge.judge(" ", EVIDENCE).verdict == "unsupported"
