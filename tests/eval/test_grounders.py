"""`footnoted eval grounders`, and the released sets that it reads."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval import grounders, stats
from eval.datasets import Labelled, load_evidence
from eval.errors import EvalError
from eval.floors import AlwaysSupported, TokenCoverage
from eval.judges import Judges
from eval.record import FITTED, PATH, record, tables
from eval.text import grounders_text
from rag import Settings, cli
from rag._answering import words_of
from rag.embedding import HashingEmbedder
from rag.errors import BackendError, ConfigError
from rag.ground import Judgement
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stats, "RESAMPLES", 40)


def examples():
    true = [(f"cats eat {n} fish", f"All cats eat {n} fish.", "supported") for n in "abcdef"]
    false = [(f"dogs drive {n} cars", "Cats eat fish.", "unsupported") for n in "abcdef"]
    return [Labelled(claim, (text,), label, "s") for claim, text, label in true + false]


def hashing(**flags):
    settings = Settings.load(None, {"embedding.name": "hashing", **flags}, {})
    return Judges.of(settings)


def test_floors():
    assert TokenCoverage().judge("big cats eat", ["Cats eat fish."]).score == pytest.approx(2 / 3)
    assert TokenCoverage().judge("", ["x"]).verdict == "unsupported"
    assert AlwaysSupported().judge("x", []).verdict == "supported"


def test_every_grounder_is_measured_against_the_floors():
    judged = grounders.judge_all({"mine": examples()}, hashing())
    found = grounders.to_dict(judged)
    assert {"embedding", "lexical", "token coverage", "always supported"} <= set(found)
    assert found["token coverage"]["mine"]["auroc"]["value"] == 1.0
    assert found["always supported"]["mine"]["auroc"]["value"] == 0.5
    assert found["always supported"]["mine"]["balanced_accuracy"]["value"] == 0.5
    assert found["always supported"]["mine"]["calibration_error"]["value"] == 0.5
    assert found["lexical"]["mine"]["seconds"] > 0
    kappas = grounders.agreement(judged)
    assert "embedding, lexical" in kappas["mine"]
    text = grounders_text(judged, kappas)
    assert "12 claims: 6 supported, 6 unsupported" in text
    assert "kappa of embedding, lexical" in text


def test_what_is_embedded_once_is_what_the_embedder_gives():
    embed = HashingEmbedder().embed
    some = examples()[:3]
    look = grounders.remember(some, embed)
    texts = [some[1].claim, "never seen", some[0].evidence[0]]
    assert np.allclose(look(texts), embed(texts))


def test_records_are_added_to(tmp_path):
    path = tmp_path / "judges.json"
    for name in ("one", "two"):
        judged = grounders.judge_all({name: examples()}, hashing(), ["lexical", "token coverage"])
        assert record(judged, path) == []
    found = json.loads(path.read_text())
    assert set(found["lexical"]) == {"one", "two"}
    assert found["lexical"]["one"]["fit"] == "unseen"
    assert found["token coverage"]["one"]["fit"] == "none"


def test_what_was_fitted_to_does_not_take_the_place_of_what_was_cross_validated(tmp_path):
    path = tmp_path / "judges.json"
    judged = grounders.judge_all({"scifact": examples()}, hashing(), ["lexical"])
    assert record(judged, path) == []
    assert json.loads(path.read_text())["lexical"]["scifact"]["fit"] == "in sample"
    assert record(judged, path, fit="cross-validated") == []
    (told,) = record(judged, path)
    assert "'lexical' was fitted to scifact" in told
    assert json.loads(path.read_text())["lexical"]["scifact"]["fit"] == "cross-validated"


def test_the_readme_shows_the_record():
    known = json.loads(PATH.read_text(encoding="utf-8"))
    assert tables(known) in (PATH.parent.parent / "README.md").read_text(encoding="utf-8")
    for judge in FITTED:
        assert {found["fit"] for found in known[judge].values()} <= {"cross-validated", "unseen"}


def test_a_judge_is_measured_as_ask_uses_it():
    """With the vectors of words, where the encoder has them: else another judge is measured."""
    asked = []

    def words(text):
        asked.append(text)
        return np.eye(1, 8, dtype=np.float32), [(0, len(text))]

    judges = Judges(Settings(), HashingEmbedder().embed, lambda: words)
    assert judges.make("embedding")._model == "aligned"
    grounders.judge_all({"mine": examples()}, judges, ["embedding"])
    assert {"cats eat a fish", "All cats eat a fish."} <= set(asked)
    assert words_of(object()) is None
    assert Judges(Settings(), judges.embed).make("embedding")._model == "embedding"


def test_judges_that_read_with_a_model_are_left_out_until_it_is_named(tmp_path):
    judges = hashing()
    assert not {"nli", "llm"} & set(judges.chosen())
    assert [text.split("'")[1] for text in judges.left_out()] == ["llm", "nli"]
    with pytest.raises(ConfigError, match="--grounder-model"):
        judges.chosen(["nli"])
    with pytest.raises(ConfigError, match="--backend"):
        judges.chosen(["llm"])
    ready = hashing(**{"answer.grounder_model": "x", "backend.name": "openai"})
    assert {"nli", "llm"} <= set(ready.chosen())
    assert ready.left_out() == []


def test_a_language_model_is_measured_and_its_failures_are_no_verdicts():
    replies = ["SUPPORTED 1"] * 6 + ["UNSUPPORTED 0"] * 6
    flags = {"backend.name": "scripted", "backend.llm_kwargs": {"replies": replies}}
    (one,) = grounders.judge_all({"mine": examples()}, hashing(**flags), ["llm"])
    assert one.to_dict()["auroc"]["value"] == 1.0
    assert one.to_dict()["n"] == 12

    class Flaky:
        def judge(self, claim, evidence, contexts=()):
            if "a" in claim.split()[2]:
                raise BackendError("no")
            return Judgement("supported", 0.9, 0)

    found = grounders._judge_each(Flaky(), examples()).judgements
    some = grounders.Judged("llm", "mine", found, [e.label for e in examples()], 0.1)
    assert (some.failed, some.to_dict()["n"], len(some.rows())) == (2, 10, 10)
    pair = [some, grounders.Judged("other", "mine", [*found[1:], None], some.labels, 0.1)]
    assert "llm, other" in grounders.agreement(pair)["mine"]


def test_a_backend_that_always_fails_is_told():
    class Down:
        def judge(self, claim, evidence, contexts=()):
            raise BackendError("down")

    with pytest.raises(BackendError, match="down"):
        grounders._judge_each(Down(), examples())


def test_a_judge_of_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "my_judges.py").write_text(
        "from eval.floors import AlwaysSupported\nclass Mine(AlwaysSupported):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / "footnoted.toml").write_text(
        '[embedding]\nname = "hashing"\n[plugins.grounders]\nmine = "my_judges:Mine"\n'
    )
    judges = Judges.of(Settings.load(home, {}, {}))
    assert "mine" in judges.chosen()
    (one,) = grounders.judge_all({"s": examples()}, judges, ["mine"])
    assert one.to_dict()["auroc"]["value"] == 0.5


def test_the_command(tmp_path, capsys):
    path = tmp_path / "mine.jsonl"
    rows = [{"claim": e.claim, "evidence": list(e.evidence), "label": e.label} for e in examples()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{}\n")
    words = ["eval", "grounders", str(path), "--grounder", "lexical", "token coverage", "--quiet"]
    assert cli.main([*words, "--json", "--home", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert set(json.loads(out)["grounders"]) == {"lexical", "token coverage"}
    assert "left out line 13: no claim, or no evidence" in err
    assert cli.main([*words[:4], "psychic"]) == 1
    assert "no grounder is called 'psychic'" in capsys.readouterr().err


# --- released sets


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_scifact(tmp_path):
    write(tmp_path / "corpus.jsonl", {"doc_id": 1, "title": "T", "abstract": ["A.", "B."]})
    evidence = {"1": [{"sentences": [0], "label": "CONTRADICT"}]}
    write(
        tmp_path / "claims_train.jsonl",
        {"id": 5, "claim": "a", "evidence": evidence, "cited_doc_ids": [1]},
        {"id": 6, "claim": "b", "evidence": {}, "cited_doc_ids": [1, 2]},
    )
    name, found, _ = load_evidence(f"scifact:{tmp_path}")
    assert name == "scifact"
    assert [(e.claim, e.label) for e in found] == [("a", "contradicted"), ("b", "unsupported")]
    assert (found[0].evidence, found[0].context) == (("A.", "B."), "T")


def test_check_covid_and_attributionbench(tmp_path):
    write(tmp_path / "corpus.json", {"cord_id": "x", "title": "T", "abstract": ["A.", "B."]})
    first, second = ([{"sent_index": 0}], [{"sent_index": 1}])
    write(
        tmp_path / "Check-COVID_all.json",
        {"id": "g_0", "claim": "a", "cord_id": "x", "label": "SUPPORT", "evidence_set": first},
        {"id": "g_1", "claim": "a", "cord_id": "x", "label": "NOTENOUGHINFO",
         "evidence_set": second},
    )  # fmt: skip
    found = load_evidence(f"check-covid:{tmp_path}")[1]
    assert [(e.label, e.group, e.evidence) for e in found] == [
        ("supported", "check-covid g", ("A.",)), ("unsupported", "check-covid g", ("B.",)),
    ]  # fmt: skip
    row = {"question": "q", "claim": "a", "references": ["One. Two."], "src_dataset": "LFQA"}
    write(tmp_path / "dev.jsonl", {**row, "attribution_label": "attributable"})
    (one,) = load_evidence(f"attributionbench:{tmp_path / 'dev.jsonl'}")[1]
    assert (one.label, one.evidence, one.source) == ("supported", ("One.", "Two."), "LFQA")


def test_ragtruth_marks_sentences_by_spans(tmp_path):
    info = {"question": "q", "passages": "Passage one. Passage two."}
    write(
        tmp_path / "source_info.jsonl",
        {"source_id": 1, "task_type": "QA", "source_info": info},
    )
    labels = [
        {"start": 10, "end": 14, "label_type": "Evident Conflict"},
        {"start": 25, "end": 30, "label_type": "Subtle Baseless Info"},
    ]
    response = "It is so. It is not. It was there. Fine."
    write(tmp_path / "response.jsonl", {"source_id": 1, "response": response, "labels": labels})
    found = load_evidence(f"ragtruth:{tmp_path}")[1]
    assert [e.label for e in found] == ["supported", "contradicted", "unsupported", "supported"]
    assert found[0].evidence == ("Passage one.", "Passage two.")


def test_aggrefact_and_scihal(tmp_path):
    row = {"dataset": "d", "doc": "A doc. More.", "claim": "c"}
    write(tmp_path / "test.jsonl", {**row, "label": 1}, {**row, "label": 0})
    found = load_evidence(f"llm-aggrefact:{tmp_path}")[1]
    assert [e.label for e in found] == ["supported", "unsupported"]
    (tmp_path / "s.csv").write_text(
        "claim,reference,label\nx,One. Two.,entailment\ny,One.,contradiction\nz,One.,whatever\n"
    )
    found = load_evidence(f"scihal:{tmp_path / 's.csv'}")[1]
    assert [e.label for e in found] == ["supported", "contradicted"]


def test_a_folder_without_the_files(tmp_path):
    with pytest.raises(EvalError, match=r"has none of corpus.jsonl|has none of claims"):
        load_evidence(f"scifact:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "count", "supported"), [("check-covid", 1504, 505), ("attributionbench", 1198, 599)]
)
def test_the_real_sets_are_read_whole(name, count, supported):
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not on this machine")
    found = load_evidence(f"{name}:{DATA / name}")[1]
    assert len(found) == pytest.approx(count, abs=5)
    assert sum(e.label == "supported" for e in found) == pytest.approx(supported, abs=5)
