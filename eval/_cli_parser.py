"""The subcommands of `footnoted eval`: options, and the help that teaches."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rag._cli_parser import _command, _formatter, _json, _positive, _quiet

_MAIN = """\
examples:
  footnoted eval run sample: --out runs/a    how good are the answers, on the sample papers
  footnoted eval retrieval SciFact/          how well are the right papers found
  footnoted eval COMMAND --help              what a command can do, with examples
"""
_RUN = """\
QUESTIONS is JSONL, a line an object with id and question and what a right answer must have:
gold_papers or gold_titles, gold_sentences, key_facts, answerable, type. `sample:` stands for the
494 that ship, about the papers of `footnoted ingest sample:`. PubMedQA, BioASQ and LitSearch are
read as they are released: pubmedqa:PATH, bioasq:PATH, litsearch:PATH. A name without a path is
fetched where there is a network and `datasets` is installed, with its papers, and kept in
./.footnoted-eval/data/NAME, from where corpus.jsonl can be ingested.

Writes report.json, answers.jsonl and report.html to --out. Run again after a kill, or after a
change: only what is new, changed or failed is asked again. Several values of --backend, --mode
or --vary are run side by side, each in a folder of its own.

examples:
  footnoted eval run sample: --out runs/today
  footnoted eval run mine.jsonl --home ./papers --out runs/modes --mode hybrid dense
  footnoted eval run mine.jsonl --out runs/two --judge embedding my_package.judges:Judge
  footnoted eval run mine.jsonl --out runs/ci --fail-under cites_gold=0.8 --junit junit.xml
"""
_GROUNDERS = """\
LABELLED is JSONL (claim, evidence, label, source), or NAME:PATH for a released set: scifact,
check-covid, attributionbench, llm-aggrefact, ragtruth, scihal; attributionbench and llm-aggrefact
without a path are fetched, where there is a network and `datasets` is installed.

Every grounder, also those of [plugins] in footnoted.toml, is measured as `ask` uses it, against
two floors: the share of words covered, and always saying yes. nli and llm read with a model of
yours, which is named here or in the settings of --home.

examples:
  footnoted eval grounders check-covid:data/check-covid
  footnoted eval grounders mine.jsonl scifact:data/scifact --limit 300
  footnoted eval grounders mine.jsonl --grounder embedding my_package.judges:Judge --json
  footnoted eval grounders mine.jsonl --grounder-model ./minicheck --backend openai --model M
"""
_MAKE = """\
Questions are made from the papers by rules (definitions, numbers, comparisons), or by a language
model where --backend names one; each has its gold paper and gold sentence, and its own paper
must be found for it. Three in ten cannot be answered: of another field, a detail that is not
stated, a false premise. Few papers give few questions.

examples:
  footnoted eval make --home ./papers -n 100 --out mine.jsonl
  footnoted eval make -n 50 --out mine.jsonl --review 10
  footnoted eval make -n 200 --out mine.jsonl --backend openai --model gpt-5-mini
"""
_FEEDBACK = """\
Reads feedback.jsonl of a home, where thumbs are kept; what was turned down becomes a question.

examples:
  footnoted eval from-feedback --out hard.jsonl
  footnoted eval from-feedback papers/feedback.jsonl --out hard.jsonl
"""
_LABEL = """\
Shows sentences of a run with what they cite, and takes your verdict on each. With some labels,
the share of supported sentences is corrected for the judge's errors, with a wider interval, by
prediction-powered inference; report.json keeps it under "labelled".

examples:
  footnoted eval label runs/today -n 30
  footnoted eval label runs/today -n 30 --json
"""
_COMPARE = """\
A and B are folders that `footnoted eval run` has written. Figures are compared question by
question: means by the paired t-test, others by a paired bootstrap. The verdict is by --metric;
the other figures are corrected after Holm for how many they are.

examples:
  footnoted eval compare runs/before runs/after
  footnoted eval compare runs/modes/hybrid runs/modes/dense --metric cites_gold --json
  footnoted eval compare runs/main runs/branch --fail-if-worse
"""
_RETRIEVAL = """\
DATASET is a folder of the BEIR layout (corpus.jsonl, queries.jsonl, qrels/*.tsv; .gz too), or
SciFact as it is released. The name of a BEIR set that is no folder is fetched, where there is a
network and `ir-datasets` is installed, to ./.footnoted-eval/data.

Its corpus is ingested into the home where it is not there yet: by default ./.footnoted-eval/NAME,
so that no papers of yours are mixed with it. The first mode is what the others are compared with.

examples:
  footnoted eval retrieval scifact/ --qrels train
  footnoted eval retrieval nfcorpus --mode hybrid lexical --json
  footnoted eval retrieval scifact/ --mode hybrid --vary retrieval.dense_weight=0.6,0.4,0.8
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments. Raises SystemExit, as argparse does, with 0 for help and 2 for misuse."""
    return build_parser().parse_args(argv)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="footnoted eval",
        description="Measure the chatbot on your papers, and the measures themselves.",
        epilog=_MAIN,
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(home=None, quiet=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _run(_command(commands, "run", "ask questions and measure the answers", _RUN))
    _compare(_command(commands, "compare", "compare two runs question by question", _COMPARE))
    _grounders(_command(commands, "grounders", "measure the judges themselves", _GROUNDERS))
    _make(_command(commands, "make", "make questions from your own papers", _MAKE))
    _feedback(_command(commands, "from-feedback", "make questions of thumbs-down", _FEEDBACK))
    _label(_command(commands, "label", "give verdicts by hand, to correct the judge", _LABEL))
    _retrieval(_command(commands, "retrieval", "measure how well papers are found", _RETRIEVAL))
    return parser


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("questions", metavar="QUESTIONS", help="a JSONL file, or sample:")
    parser.add_argument("--out", metavar="DIR", required=True, help="where the report goes")
    parser.add_argument("--backend", nargs="+", metavar="NAME", help="who writes the answers")
    parser.add_argument("--model", metavar="M", help="the backend's model")
    parser.add_argument(
        "--mode", nargs="+", choices=("hybrid", "dense", "lexical"), help="how to search"
    )
    _settings(parser)
    parser.add_argument(
        "--judge", nargs="+", default=["embedding"], metavar="NAME",
        help="the grounder that judges sentences; of several the first, and how far they agree",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="questions at once (default: by backend)"
    )
    _sampling(parser, "questions")
    parser.add_argument(
        "--fail-under", action="append", default=[], type=_bound, metavar="METRIC=X",
        help="exit 1 if the metric is below X",
    )  # fmt: skip
    parser.add_argument(
        "--fail-over", action="append", default=[], type=_bound, metavar="METRIC=X",
        help="exit 1 if the metric is above X",
    )  # fmt: skip
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write a summary for a pull request")
    parser.add_argument(
        "--full", action="store_true", help="print every figure, and all that is known of the judge"
    )
    _quiet(parser)
    _json(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="the folder of the one run")
    parser.add_argument("b", metavar="B", help="the folder of the other")
    parser.add_argument(
        "--metric", default="right", metavar="NAME", help="what the verdict is by (default: right)"
    )
    parser.add_argument("--fail-if-worse", action="store_true", help="exit 1 if B is worse")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the intervals")
    _json(parser)


def _grounders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("labelled", nargs="+", metavar="LABELLED", help="JSONL, or NAME:PATH")
    parser.add_argument(
        "--grounder", nargs="+", default=[], metavar="NAME", help="which (default: all, and floors)"
    )
    parser.add_argument(
        "--grounder-model", metavar="NAME", help="the cross-encoder of nli: a name or a folder"
    )
    parser.add_argument("--backend", metavar="NAME", help="the language model of llm")
    parser.add_argument("--model", metavar="M", help="the backend's model")
    parser.add_argument("--record", metavar="FILE", help="add the figures to this JSON file")
    _sampling(parser, "claims of each set")
    _quiet(parser)
    _json(parser)


def _make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", type=_positive, default=100, metavar="N", help="how many")
    parser.add_argument("--out", metavar="FILE", required=True, help="the JSONL to write")
    parser.add_argument("--backend", metavar="NAME", help="a language model to write them")
    parser.add_argument("--model", metavar="M", help="the backend's model")
    parser.add_argument("--review", type=_positive, metavar="N", help="show N of them first")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which papers first")
    _quiet(parser)


def _feedback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="?", metavar="FILE", help="feedback.jsonl, or a home")
    parser.add_argument("--out", metavar="FILE", required=True, help="the JSONL to add to")


def _label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("-n", type=_positive, default=30, metavar="N", help="how many sentences")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which sentences")
    _json(parser)


def _bound(text: str) -> tuple[str, float]:
    from eval.registered import METRICS

    name, _, value = text.partition("=")
    if name not in METRICS:
        raise argparse.ArgumentTypeError(f"no metric '{name}'. Known: {', '.join(METRICS)}")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' has no number. Write {name}=0.8") from None


def _retrieval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a folder of the BEIR layout")
    parser.add_argument("--qrels", metavar="FILE", help="a file of qrels, or the name of a split")
    parser.add_argument(
        "--mode",
        nargs="+",
        choices=("hybrid", "dense", "lexical"),
        default=["hybrid", "dense", "lexical"],
        help="how to search (default: all three)",
    )
    _settings(parser)
    _sampling(parser, "queries")
    _quiet(parser)
    _json(parser)


def _settings(parser: Any) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for all"
    )
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=V1,V2",
        help="settings to run side by side; given twice, every combination",
    )


def _sampling(parser: Any, what: str) -> None:
    parser.add_argument("--limit", type=_positive, metavar="N", help=f"a sample of N {what}")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of samples and intervals")
