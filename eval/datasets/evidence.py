"""Claims, evidence and what people said of them: for judging a judge.

Ours is JSONL with `claim`, `evidence` (text or list), `label` and `source`. The released files of
known sets are read as they are, from a local folder or file, by name: `scifact:FOLDER`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import get_args

from eval.datasets import fetched
from eval.datasets._lines import LeftOut, records
from eval.errors import EvalError
from rag.chunking import sentences
from rag.types import Verdict

LABELS: tuple[str, ...] = get_args(Verdict)
EVIDENCE: dict[str, str] = {
    "attributionbench": "eval.datasets.released:attributionbench",
    "check-covid": "eval.datasets.released:check_covid",
    "llm-aggrefact": "eval.datasets.released:llm_aggrefact",
    "ragtruth": "eval.datasets.released:ragtruth",
    "scifact": "eval.datasets.released:scifact",
    "scihal": "eval.datasets.released:scihal",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One claim with its evidence sentences and the label that people gave it.

    `context` is the title of the paper, empty where there is none; `group` ties examples that
    share a claim, which a split must not part.
    """

    claim: str
    evidence: tuple[str, ...]
    label: str
    source: str
    context: str = ""
    group: str = ""


Loader = Callable[[Path], Iterator[Labelled]]


def load_evidence(address: str) -> tuple[str, list[Labelled], list[LeftOut]]:
    """Read `FILE.jsonl` or `NAME:PATH`: its name, its examples, what was left out.

    A known NAME without a path is fetched, where there is a network (see `fetched`). Raises
    EvalError for a name or a path that is not there, or where no example is left.
    """
    name, _, rest = address.partition(":")
    left: list[LeftOut] = []
    if rest and name.lower() in EVIDENCE:
        examples = list(_loader(name.lower())(_existing(rest)))
    elif not rest and name.lower() in EVIDENCE and not Path(address).exists():
        examples = list(_loader(name.lower())(fetched.evidence(name.lower())))
        name = f"{name}-{fetched.SPLIT}"
    elif rest and not Path(address).exists():
        raise EvalError(f"no loader is called '{name}'. Known: {', '.join(sorted(EVIDENCE))}.")
    else:
        path = _existing(address)
        name = path.stem
        examples, left = _read(path)
    if not examples:
        why = f" Line {left[0].line}: {left[0].why}." if left else ""
        raise EvalError(f"{address} holds no labelled claim.{why}")
    return name.lower(), examples, left


def as_sentences(evidence: object) -> tuple[str, ...]:
    """Evidence as a list of sentences: a text is split, a list is taken as it is."""
    if isinstance(evidence, str):
        return tuple(sentences(evidence))
    if isinstance(evidence, list) and all(isinstance(part, str) for part in evidence):
        return tuple(part for part in evidence if part.strip())
    return ()


def _loader(name: str) -> Loader:
    module, _, function = EVIDENCE[name].partition(":")
    found: Loader = getattr(import_module(module), function)
    return found


def _existing(address: str) -> Path:
    path = Path(address).expanduser()
    if not path.exists():
        raise EvalError(
            f"no such file or folder: {path}. Name a JSONL file, or NAME:PATH with one of "
            f"{', '.join(sorted(EVIDENCE))}."
        )
    return path


def _read(path: Path) -> tuple[list[Labelled], list[LeftOut]]:
    examples: list[Labelled] = []
    left: list[LeftOut] = []
    for line, record in records(path, left):
        evidence = as_sentences(record.get("evidence"))
        claim, label = record.get("claim"), record.get("label")
        if not isinstance(claim, str) or not claim.strip() or not evidence:
            left.append(LeftOut(line, "", "no claim, or no evidence"))
        elif label not in LABELS:
            left.append(LeftOut(line, "", f"the label is none of {', '.join(LABELS)}"))
        else:
            source = str(record.get("source") or path.stem)
            context = str(record.get("context") or "")
            examples.append(Labelled(claim, evidence, label, source, context, claim))
    return examples, left
