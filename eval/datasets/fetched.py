"""Known sets by name alone, where there is a network: by ir_datasets and datasets, if installed.

What is fetched is written once, in the layout of its release, to ./.footnoted-eval/data/NAME, and
read from there as a local folder is; with the papers, where it has some, as corpus.jsonl for
`footnoted ingest`. Neither library is a dependency of ours.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from eval.errors import EvalError

FOLDER = Path(".footnoted-eval") / "data"
SPLIT = "test"  # of labelled claims
_SPLITS = ("/test", "", "/dev", "/train")  # of BEIR, as ir_datasets names them
_OFFLINE = "HF_HUB_OFFLINE"

Writer = Callable[[Path], None]


def questions(name: str) -> Path:
    """The folder of a set of questions. Raises EvalError where it cannot be fetched."""
    return _fetched(name, _QUESTIONS)


def evidence(name: str) -> Path:
    """The folder of a set of labelled claims. Raises EvalError where it cannot be fetched."""
    return _fetched(name, _EVIDENCE)


def retrieval(name: str) -> Path:
    """The folder of a BEIR set, `scifact` or `beir/scifact`, by ir_datasets."""
    plain = name.lower().removeprefix("beir/").removeprefix("beir:")
    return _kept(f"beir-{plain.replace('/', '-')}", lambda folder: _beir(plain, folder))


def _fetched(name: str, known: dict[str, Writer | str]) -> Path:
    found = known[name]
    if isinstance(found, str):
        raise EvalError(f"{name} cannot be fetched by name: {found}. Then name it as {name}:PATH.")
    return _kept(name, found)


def _kept(name: str, write: Writer) -> Path:
    """The folder of that name, filled at once or not at all."""
    folder = FOLDER / name
    if not folder.is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        aside = Path(mkdtemp(dir=FOLDER))
        try:
            write(aside)
            aside.rename(folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(OSError):  # nothing is left behind where nothing came
                FOLDER.rmdir()
                FOLDER.parent.rmdir()
    return folder


def _beir(name: str, folder: Path) -> None:
    library = _library("ir_datasets", "ir-datasets", f"a folder of the BEIR layout for {name}")
    for split in _SPLITS:
        with _told(f"beir/{name}", "a folder of the BEIR layout"):
            try:
                found = library.load(f"beir/{name}{split}")
            except KeyError:  # no set of that name
                continue
            if not (found.has_docs() and found.has_queries() and found.has_qrels()):
                continue
            _write_beir(found, split.lstrip("/") or "test", folder)
            return
    raise EvalError(
        f"ir_datasets knows no set beir/{name} with documents, queries and qrels. Name one of "
        "https://ir-datasets.com/beir.html, or a local folder of the BEIR layout."
    )


def _write_beir(found: Any, split: str, folder: Path) -> None:
    _lines(folder / "corpus.jsonl", (_paper(d.doc_id, d) for d in found.docs_iter()))
    _lines(
        folder / "queries.jsonl",
        ({"_id": q.query_id, "text": q.text} for q in found.queries_iter()),
    )
    (folder / "qrels").mkdir()
    rows = (f"{q.query_id}\t{q.doc_id}\t{q.relevance}\n" for q in found.qrels_iter())
    text = "query-id\tcorpus-id\tscore\n" + "".join(rows)
    (folder / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")


def _paper(name: Any, row: Any) -> dict[str, str]:
    text = getattr(row, "text", "")
    return {"_id": str(name), "title": getattr(row, "title", "") or text[:80], "text": text}


def _pubmedqa(folder: Path) -> None:
    rows = list(_hub("pubmedqa", "qiaojin/PubMedQA", "pqa_labeled", "train"))
    found = {
        str(row["pubid"]): {
            "QUESTION": row["question"],
            "CONTEXTS": list(row["context"]["contexts"]),
            "LONG_ANSWER": row["long_answer"],
            "final_decision": row["final_decision"],
        }
        for row in rows
    }
    (folder / "ori_pqal.json").write_text(json.dumps(found), encoding="utf-8")
    # The title of each abstract is its question, and would give it away.
    _lines(
        folder / "corpus.jsonl",
        (
            {"_id": name, "title": f"PubMed {name}", "text": " ".join(row["CONTEXTS"])}
            for name, row in found.items()
        ),
    )


def _litsearch(folder: Path) -> None:
    name = "princeton-nlp/LitSearch"
    _lines(folder / "query.jsonl", map(dict, _hub("litsearch", name, "query", "full")))
    papers = _hub("litsearch", name, "corpus_clean", "full")
    _lines(
        folder / "corpus.jsonl",
        ({"_id": str(p["corpusid"]), "title": p["title"], "text": p["abstract"]} for p in papers),
    )


def _attributionbench(folder: Path) -> None:
    rows = _hub("attributionbench", "osunlp/AttributionBench", "subset_balanced", SPLIT)
    _lines(folder / "test.jsonl", map(dict, rows))


def _llm_aggrefact(folder: Path) -> None:
    rows = _hub("llm-aggrefact", "lytang/LLM-AggreFact", None, SPLIT)
    _lines(folder / "test.jsonl", map(dict, rows))


_QUESTIONS: dict[str, Writer | str] = {
    "bioasq": "it is given out to who registers at http://participants-area.bioasq.org",
    "litsearch": _litsearch,
    "pubmedqa": _pubmedqa,
}
_EVIDENCE: dict[str, Writer | str] = {
    "attributionbench": _attributionbench,
    "check-covid": "get its repository, https://github.com/posuer/Check-COVID",
    "llm-aggrefact": _llm_aggrefact,
    "ragtruth": "get its repository, https://github.com/ParticleMedia/RAGTruth",
    "scifact": "get its release, https://github.com/allenai/scifact",
    "scihal": "get it from the shared task of the workshop on Scholarly Document Processing, 2025",
}


def _hub(name: str, repository: str, config: str | None, split: str) -> Iterable[Any]:
    library = _library("datasets", "datasets", f"{name}:PATH")
    with _told(repository, f"{name}:PATH"), _online():
        rows: Iterable[Any] = library.load_dataset(repository, config, split=split)
        return rows


def _library(module: str, package: str, form: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise EvalError(
            f"to fetch this set by its name, '{module}' must be installed and a network be there. "
            f"Run: pip install {package}. Or name what you have on disk: {form}."
        ) from error


@contextmanager
def _told(name: str, form: str) -> Iterator[None]:
    """What a library raises, which may be anything, as one of ours with what to do."""
    try:
        yield
    except (EvalError, KeyError):
        raise
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).split("\n", 1)[0][:200]
        raise EvalError(
            f"{name} could not be fetched ({said}). Is there a network, and does it ask for a "
            f"login? Or name what you have on disk: {form}."
        ) from error


@contextmanager
def _online() -> Iterator[None]:
    """The other commands stay away from the hub; here the user asked for it."""
    before = os.environ.pop(_OFFLINE, None)
    try:
        yield
    finally:
        if before is not None:
            os.environ[_OFFLINE] = before


def _lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True, default=str) + "\n")
