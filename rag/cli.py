"""The `footnoted` command: results to standard output, everything else to standard error.

Nothing heavy is imported until a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag import (
    _cli_backends,
    _cli_chat,
    _cli_conversations,
    _cli_doctor,
    _cli_export,
    _cli_mcp,
    _cli_serve,
    _cli_snapshot,
)
from rag._cli_output import (
    explain_rejects,
    forget_output,
    put,
    put_answer,
    put_json,
    say,
    settle_process,
    width,
)
from rag._cli_parser import parse
from rag.errors import RagError

if TYPE_CHECKING:
    from argparse import Namespace

    from rag import Chatbot
    from rag._cli_batch import Asked
    from rag._cli_progress import Progress
    from rag.config import Settings
    from rag.types import Answer, Filters

DONE, FAILED, MISUSED, REJECTED, REFUSED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 4, 130, 141
DEFAULT_HOME = ".footnoted"
# Backends of ours that fetch no model: with others, offline mode could break a download.
_FETCH_NOTHING = ("extractive", "llama_cpp", "openai")
_MENDING = re.compile(r"footnoted (?:ingest(?: --rebuild| SOURCE)?|doctor --repair)")
_BEHIND = {
    "words": "an ingest was interrupted or is running: not all papers are in the index.",
    "vectors": "the vectors of some papers are still to be made: those are found by words alone.",
}
_SHIPPED_EMBEDDER = ("sentence_transformers", "default")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `argv` None means this process's own."""
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        settle_process()
    try:
        status = _run(words, own_process=argv is None)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        forget_output()
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return _interrupted(words)
    except Exception as error:
        return _failed(error, words)


def _run(words: Sequence[str], *, own_process: bool) -> int:
    try:
        args = parse(words)
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else FAILED
    args.own_process = own_process
    return COMMANDS[args.command](args)


def _ingest(args: Namespace) -> int:
    from dataclasses import asdict

    if args.dry_run:
        from rag._cli_rehearse import run as rehearse

        return rehearse(args)
    if args.prune and (args.limit or args.since or not args.source):
        needs = "give a SOURCE, and neither --limit nor --since"
        return _misused(f"ingest: --prune needs whole sources: {needs}")
    with _bot(args) as (bot, _), _progress(args) as progress:
        report = bot.ingest(
            *args.source,
            format=args.format,
            rebuild=args.rebuild,
            limit=args.limit,
            fields=args.map,
            since=args.since,
            vectors="later" if args.later else "now",
            prune=args.prune,
            progress=progress,
        )
    rejects = _home(args) / "rejected.jsonl"
    if args.json:
        put_json({**asdict(report), "rejects": str(rejects) if report.rejected else None})
    else:
        put(str(report))
    if report.removed:
        say(f"{report.removed} removed, gone from their source")
    if report.rejected:
        explain_rejects(report.rejected, rejects)
    return REJECTED if report.rejected and args.strict else DONE


def _misused(message: str) -> int:
    say(message)
    return MISUSED


def _search(args: Namespace) -> int:
    query = " ".join(args.query)
    with _bot(args) as (bot, settings):
        mode = bot.search_mode(settings.retrieval.mode)
        hits, seconds = bot.timed_search(query, k=args.k, filters=_filters(args), mode=mode)
    if args.json:
        found = [hit.to_dict() for hit in hits]
        put_json({"query": query, "mode": mode, "hits": found, "seconds": seconds})
    elif hits:
        from rag._cli_format import hits_text

        put(hits_text(hits, width()))
    else:
        say("no paper matches")
    return DONE


def _ask(args: Namespace) -> int:
    if args.batch:
        return _ask_batch(args)
    history: Sequence[Any] = ()
    if args.history:
        from rag._cli_batch import read_history

        history = read_history(args.history)
    with _bot(args) as (bot, settings):
        question = " ".join(args.question)
        answer = bot.ask(question, filters=_filters(args), history=history)
    if args.json:
        put_json(answer.to_dict())
    else:
        put_answer(answer, flag=settings.answer.policy == "flag")
    return _status(answer, args)


def _ask_batch(args: Namespace) -> int:
    from rag._cli_batch import count_lines, read_batch

    total = count_lines(args.batch)
    asked = read_batch(args.batch)
    worst = DONE
    with _bot(args) as (bot, _), _progress(args) as progress:
        for done, item in enumerate(asked, 1):
            result, status = _answer_line(bot, item, args)
            put_json(result)
            progress("asking", done, total)
            worst = FAILED if FAILED in (worst, status) else max(worst, status)
    return worst


def _answer_line(bot: Chatbot, item: Asked, args: Namespace) -> tuple[dict[str, Any], int]:
    """Answer one line of a batch; an error becomes part of the output, not its end."""
    name = {} if item.id is None else {"id": item.id}
    error = item.error
    if not error:
        try:
            answer = bot.ask(item.question, filters=_filters(args), history=item.turns)
            return {**answer.to_dict(), **name}, _status(answer, args)
        except RagError as failure:
            error = str(failure)
    say(f"line {item.line}: {error}")
    return {**name, "error": error, "line": item.line}, FAILED


def _info(args: Namespace) -> int:
    with _bot(args) as (bot, _):
        info = bot.info()
    if args.json:
        put_json(info)
    else:
        from rag._cli_format import info_text

        put(info_text(info))
    return DONE


def _delete(args: Namespace) -> int:
    wanted = list(dict.fromkeys(args.paper_id))
    with _bot(args) as (bot, _):
        unknown = [name for name in wanted if bot.paper(name) is None]
        deleted = bot.delete(*wanted)
        if unknown:
            from rag._cli_missing import unknown_ids

            papers = ((paper.id, paper.title) for paper in bot.papers())
            say(unknown_ids(unknown, papers, args.home))
    if args.json:
        put_json({"deleted": deleted})
    else:
        put(f"{deleted} deleted")
    return DONE if deleted == len(wanted) else FAILED


def _eval(args: Namespace) -> int:
    from eval.cli import main as evaluate

    return evaluate(args.words, own_process=args.own_process)


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "ingest": _ingest,
    "search": _search,
    "ask": _ask,
    "backends": _cli_backends.run,
    "chat": _cli_chat.run,
    "conversations": _cli_conversations.run,
    "serve": _cli_serve.run,
    "mcp": _cli_mcp.run,
    "info": _info,
    "delete": _delete,
    "doctor": _cli_doctor.run,
    "export": _cli_export.run,
    "restore": _cli_snapshot.run_restore,
    "snapshot": _cli_snapshot.run,
    "eval": _eval,
}


@contextmanager
def _bot(args: Namespace) -> Iterator[tuple[Chatbot, Settings]]:
    """Open the collection with the settings that flags, environment and file give."""
    from rag.config import Settings

    home = _home(args)
    settings = Settings.load(home, _flags(args))
    if args.own_process and _needs_no_hub(settings):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # nothing to wait for
    from rag import Chatbot

    bot = Chatbot.open(home, settings=settings)
    if args.command in ("search", "ask", "chat") and (home / "index").is_dir():
        behind = bot.is_behind()
        if behind:
            say(f"{_BEHIND[behind]} {_at_home('Run: footnoted ingest', args.home)}")
    try:
        yield bot, settings
    finally:
        bot.close()


def _needs_no_hub(settings: Settings) -> bool:
    ours = (settings.embedding.name, settings.embedding.model) == _SHIPPED_EMBEDDER
    fetches = settings.answer.grounder == "nli"  # by name, where it is no folder
    return ours and not fetches and settings.backend.name in _FETCH_NOTHING


def _home(args: Namespace) -> Path:
    return Path(args.home or os.environ.get("FOOTNOTED_HOME") or DEFAULT_HOME).expanduser()


def _flags(args: Namespace) -> dict[str, Any]:
    given = vars(args)
    return {
        "backend.name": given.get("backend"),
        "backend.model": given.get("model"),
        "backend.base_url": given.get("base_url"),
        "answer.policy": given.get("policy"),
        "retrieval.mode": given.get("mode"),
        "retrieval.k": given.get("k"),
    }


def _filters(args: Namespace) -> Filters | None:
    from rag.types import Filters

    found = Filters(args.year, args.venue, args.author, args.category)
    return found or None


def _progress(args: Namespace) -> Progress:
    from rag._cli_progress import Progress

    return Progress(quiet=args.quiet)


def _status(answer: Answer, args: Namespace) -> int:
    if answer.refusal and answer.refusal.kind == "backend_failed":
        return FAILED
    return REFUSED if answer.refused and args.fail_on_refusal else DONE


def _interrupted(words: Sequence[str]) -> int:
    if words[:1] == ["ingest"]:
        again = shlex.join(["footnoted", *words])
        say(f"interrupted. What was ingested is kept; to go on, run again: {again}")
    else:
        say("interrupted")
    return INTERRUPTED


def _at_home(message: str, home: str | None) -> str:
    """The command that a message names, for the home in use."""
    if not home:
        return message
    suffix = shlex.join(["--home", home])
    return _MENDING.sub(lambda found: f"{found.group()} {suffix}", message)


def _given_home(words: Sequence[str]) -> str | None:
    pairs = itertools.pairwise(words)
    joined = (word.partition("=")[2] for word in words if word.startswith("--home="))
    return next((home for flag, home in pairs if flag == "--home"), next(joined, None))


def _failed(error: Exception, words: Sequence[str]) -> int:
    from rag._cli_format import one_line

    if os.environ.get("FOOTNOTED_DEBUG"):
        import traceback

        traceback.print_exc()
    if isinstance(error, RagError):
        say(one_line(_at_home(str(error), _given_home(words))))
    else:
        kind = f"unexpected {type(error).__name__}: {error}"
        say(one_line(f"{kind}. Set FOOTNOTED_DEBUG=1 and run it again to see where."))
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
