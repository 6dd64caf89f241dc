"""`footnoted chat`: a conversation in the terminal, kept in the home so that it can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag._cli_output import put, put_answer, say
from rag.errors import LibraryError, RagError

if TYPE_CHECKING:
    from argparse import Namespace

    from rag import Chatbot
    from rag.conversations import Conversations
    from rag.types import Answer

_HELP = """\
An empty line or Ctrl-D ends the conversation. It is kept: `footnoted chat --continue` goes on
with it, its footnotes numbered on, and `footnoted conversations` lists all of them.

examples:
  footnoted chat
  footnoted chat --home ./papers --year 2022-
  footnoted chat --continue
  footnoted chat --backend openai --base-url http://localhost:8000/v1 --model NAME
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _backend, _command, _filters

    parser = _command(commands, "chat", "hold a conversation in the terminal", _HELP)
    parser.add_argument(
        "--continue", nargs="?", const="last", dest="goes_on", metavar="ID",
        help="go on with a conversation: its ID, or the one used last",
    )  # fmt: skip
    _filters(parser)
    _backend(parser)


def run(args: Namespace) -> int:
    from rag._cli_batch import typed_questions
    from rag.cli import _bot, _filters

    with _bot(args) as (bot, settings):
        talk = _Talk(bot, args.goes_on)
        say(f"{bot.info().get('papers', 0)} papers. An empty line or Ctrl-D ends.", "")
        for question in typed_questions():
            try:
                answer = talk.ask(question, _filters(args))
            except RagError as error:
                say(str(error))
                continue
            if answer.standalone_question.strip() != question.strip():
                say(f"asked as: {answer.standalone_question}", "")
            put_answer(answer, flag=settings.answer.policy == "flag")
            put("")
        talk.end()
    return 0


class _Talk:
    """One conversation; it is stored from its first answer on."""

    def __init__(self, bot: Chatbot, goes_on: str | None) -> None:
        from rag.conversations import Conversations

        self._bot = bot
        self._kept: Conversations = Conversations(bot.home)
        self._id = ""
        self._turns: list[dict[str, Any]] = []
        if goes_on:
            self._go_on(goes_on)

    def ask(self, question: str, filters: Any) -> Answer:
        answer = self._bot.ask(question, filters=filters, history=self._turns)
        if answer.refusal and answer.refusal.kind == "backend_failed":
            return answer  # nothing was said: to ask again is not a second turn
        try:
            self._id = self._id or self._kept.create()
            answer = self._kept.append(self._id, answer)
        except LibraryError as error:  # an answer that is there is shown all the same
            say(f"this turn is not kept: {error}")
        self._turns.append(answer.to_dict())
        return answer

    def end(self) -> None:
        if self._id:
            say(f"Kept. To go on: footnoted chat --continue {self._id}", "")

    def _go_on(self, given: str) -> None:
        from rag._cli_conversations import find

        self._id = find(self._kept, given)
        self._turns = self._kept.turns(self._id)
        title = next(listed.title for listed in self._kept.list() if listed.id == self._id)
        say(f'Going on with "{title}", {len(self._turns)} questions so far.', "")
