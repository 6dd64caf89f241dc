"""`footnoted eval ...`: what each subcommand does. Results to standard output, as elsewhere."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from eval import _inside
from eval._cli_parser import parse
from rag._cli_output import put, put_json, say, width
from rag._cli_progress import Progress
from rag.cli import DONE, FAILED, _home, _needs_no_hub
from rag.config import Settings


def main(words: Sequence[str], *, own_process: bool = False) -> int:
    """Run one subcommand and return its exit status; errors are raised as RagError."""
    try:
        args = parse(words)
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else FAILED
    if own_process:
        _stay_offline(Settings.load(_home(args)))
    return COMMANDS[args.command](args)


def _retrieval(args: Namespace) -> int:
    from eval.datasets import load_retrieval
    from eval.retrieval import run_retrieval
    from eval.text import retrieval_text
    from eval.variants import variants

    dataset = load_retrieval(args.dataset, args.qrels)
    home = Path(args.home) if args.home else Path(".footnoted-eval") / Path(args.dataset).name
    with Progress(quiet=args.quiet) as progress:
        report = run_retrieval(
            dataset,
            home,
            modes=args.mode,
            variants=variants(home, args.set, args.vary),
            seed=args.seed,
            limit=args.limit,
            progress=progress,
        )
    if args.json:
        put_json(report.to_dict())
    else:
        put(retrieval_text(report, width()))
    for note in report.notes:
        say(note)
    return DONE


def _run(args: Namespace) -> int:
    from eval.outputs import failures, junit, markdown
    from eval.runner import run_matrix
    from eval.summary import summary_text, where_text, worst_text
    from eval.text import report_text

    varied = [*_axis("backend.name", args.backend), *_axis("retrieval.mode", args.mode), *args.vary]
    fixed = [*_axis("backend.model", args.model and [args.model]), *args.set]
    told: list[str] = []
    with Progress(quiet=args.quiet) as progress:
        reports = run_matrix(
            args.questions,
            _home(args),
            args.out,
            fixed=fixed,
            varied=varied,
            told=told.append,
            judge=args.judge,
            seed=args.seed,
            limit=args.limit,
            workers=args.workers,
            progress=progress,
            watch=_watching(progress),
        )
    for name, report in reports.items():
        for note in [*report.data["notes"], *map(_left_out, report.data["left_out"])]:
            say(f"{name}: {note}" if name else note)
    if args.json:
        plain = {name: report.data for name, report in reports.items()}
        put_json(plain[""] if list(plain) == [""] else plain)
    else:
        put(report_text(reports, width()) if args.full else summary_text(reports, width()))
        for name, report in reports.items():
            put(f"\n{f'{name}: ' if name else ''}{worst_text(report, width())}")
            put(where_text(report))
    missed = failures(reports, args.fail_under, args.fail_over)
    if args.junit:
        Path(args.junit).write_text(junit(reports, missed), encoding="utf-8")
    if args.markdown:
        Path(args.markdown).write_text(markdown(reports, missed), encoding="utf-8")
    for text in missed:
        say(text)
    for text in told:
        say(text)
    return FAILED if missed or told else DONE


def _watching(progress: Progress) -> Callable[[Any, Any], None]:
    """Show which question is being asked, and tell of one that fails as soon as it has."""
    from eval.asking import failed
    from eval.summary import one_line

    def watch(question: Any, row: Any) -> None:
        if row is None:
            progress.now(one_line(question.question, max(width() // 3, 20)))
        elif failed(row):
            why = one_line(row["answer"]["refusal"]["message"], 2 * width())
            progress.aside(f"{question.id} failed: {why}")

    return watch


def _compare(args: Namespace) -> int:
    from eval.comparing import compare
    from eval.text import comparison_text

    found = compare(args.a, args.b, primary=args.metric, seed=args.seed)
    for note in found.notes:
        say(note)
    if args.json:
        put_json(found.to_dict())
    else:
        put(comparison_text(found))
    worse = found.metrics[args.metric].verdict == "worse"
    return FAILED if worse and args.fail_if_worse else DONE


def _grounders(args: Namespace) -> int:
    from eval import grounders
    from eval.datasets import load_evidence
    from eval.judges import Judges
    from eval.record import record
    from eval.text import grounders_text

    judges = Judges.of(Settings.load(_home(args), _judging(args)))
    judges.chosen(args.grounder)  # a wrong name is told before anything is read
    sets = {}
    for address in args.labelled:
        name, examples, left = load_evidence(address)
        sets[name] = examples
        for item in left:
            say(f"{name}: left out line {item.line}: {item.why}")
    judged: list[grounders.Judged] = []
    told = [] if args.grounder else judges.left_out()
    with Progress(quiet=args.quiet) as progress:
        for name, examples in sets.items():  # one by one: what is measured is kept
            found = grounders.judge_all(
                {name: examples},
                judges,
                args.grounder,
                limit=args.limit,
                seed=args.seed,
                progress=progress,
            )
            if args.record:
                told += record(found, Path(args.record), args.seed)
            judged += found
    for one in judged:
        if one.failed:
            told.append(f"{one.dataset}: the backend failed on {one.failed} claims, left out")
    kappas = grounders.agreement(judged)
    if args.json:
        put_json({"grounders": grounders.to_dict(judged, args.seed), "kappa": kappas})
    else:
        put(grounders_text(judged, kappas, args.seed))
    for text in told:
        say(text)
    return DONE


def _judging(args: Namespace) -> dict[str, str | None]:
    """The settings that name the model of a judge; None leaves one as it is."""
    return {
        "answer.grounder_model": args.grounder_model,
        "backend.name": args.backend,
        "backend.model": args.model,
    }


def _make(args: Namespace) -> int:
    from eval.making import make
    from rag import Chatbot

    settings = Settings.load(
        _home(args), {"backend.name": args.backend, "backend.model": args.model}
    )
    with Chatbot.open(_home(args), settings) as bot, Progress(quiet=args.quiet) as progress:
        model = None if settings.backend.name == "extractive" else _inside.backend_of(bot)
        made = make(bot, args.n, args.seed, model=model, progress=progress)
    if args.review:
        made.questions = _reviewed(made.questions, args.review, args.seed)
    made.save(Path(args.out))
    for why, count in made.dropped.items():
        say(f"{count} dropped: {why}")
    if len(made.questions) < args.n:
        say(f"these papers gave {len(made.questions)} questions, not {args.n}")
    put(f"{len(made.questions)} questions -> {args.out}")
    return DONE


def _reviewed(questions: list[dict[str, Any]], share: int, seed: int) -> list[dict[str, Any]]:
    """Show some of the questions, and leave out those that are turned down."""
    from eval.retrieval import sample

    shown = set(sample([q["id"] for q in questions], share, seed))
    kept = []
    for question in questions:
        if question["id"] in shown:
            gold = " ".join(question.get("gold_sentences", ())) or "(has no answer)"
            say(f"\n{question['type']}: {question['question']}\n  {gold}", "")
            if _typed("keep? [Y/n/q]: ") in {"n", "q"}:
                continue
        kept.append(question)
    return kept


def _typed(prompt: str) -> str:
    try:
        return _typed_or_end(prompt).strip().lower()[:1]
    except EOFError:
        return ""


def _from_feedback(args: Namespace) -> int:
    from eval.feedback import from_feedback

    added, known, left = from_feedback(Path(args.source or _home(args)), Path(args.out))
    for item in left:
        say(_left_out(item.to_dict()))
    put(f"{added} questions added to the {known} of {args.out}")
    if added:
        say("add gold_papers, key_facts or answerable by hand, to measure more than grounding")
    return DONE


def _label(args: Namespace) -> int:
    from eval.labelling import label, save_correction
    from eval.text import labelled_text

    folder = Path(args.run)
    label(folder, args.n, args.seed, _typed_or_end, lambda t: say(t, ""))
    found = save_correction(folder)
    if args.json:
        put_json(found)
    else:
        put(labelled_text(found))
    return DONE


def _typed_or_end(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return input()


def _axis(key: str, values: Sequence[str] | None) -> list[str]:
    return [f"{key}={','.join(values)}"] if values else []


def _left_out(item: dict[str, object]) -> str:
    where = f"line {item['line']}" if item["line"] else ""
    return f"left out {' '.join(str(p) for p in (item['id'], where) if p)}: {item['why']}"


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "compare": _compare,
    "from-feedback": _from_feedback,
    "grounders": _grounders,
    "label": _label,
    "make": _make,
    "retrieval": _retrieval,
    "run": _run,
}


def _stay_offline(settings: Settings) -> None:
    """As the other commands do in a process of their own, where nothing is to be fetched."""
    if _needs_no_hub(settings):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    from rag.cli import main as footnoted

    sys.exit(footnoted(["eval", *sys.argv[1:]]))
