"""Thanks, greetings, and what one asks the chatbot about itself: never searched for.

A question that is made of such pieces alone gets a short reply; what follows them is the question.
The replies claim nothing about any paper, and so they come in the form of a refusal.
"""

from __future__ import annotations

import re

from rag.types import Refusal

_READ = 200  # characters of a question that the rules look at
_KINDS = {  # the first of these that a question holds decides the reply
    "help": r"(?:please )?help(?: me)?(?: please)?"
    r"|what (?:can|do) (?:you|i|one)(?: actually)? (?:do|ask|know)(?: you| here| about)?"
    r"|(?:what can you|can you|how can you) help(?: me)?(?: with)?"
    r"|how (?:do|can) i use (?:this|you)|how do you work"
    r"|(?:who|what) are you(?: exactly)?|what(?:'s| is) your name"
    r"|are you (?:an? )?(?:ai|(?:chat)?(?:bot|gpt)|robot|human|person|real|there)"
    r"|who (?:made|built) you"
    r"|(?:tell me about|introduce) yourself|what(?:'s| is) footnoted",
    "bye": r"(?:good)?bye(?: bye)?|good ?night|see you(?: later| soon| tomorrow)?|farewell|ciao"
    r"|that(?:'s| is| was| will be|'ll be) all(?: for (?:now|today))?|have a (?:nice|good) \w+",
    "thanks": r"(?:many |ok(?:ay)? )?(?:thanks|thank you|thx|cheers)"
    r"(?: (?:very|so) much| a lot| a million| again)?"
    r"(?: for (?:that|this|(?:the|your|all your) (?:help|answers?|explanation)))?",
    "how": r"how are (?:you|things)(?: doing)?(?: today)?"
    r"|how(?:'s| is) (?:it going|your day(?: going)?)|how do you do|what(?:'s| is) up",
    "hello": r"(?:hi|hello|hey|hiya|howdy|greetings)(?: there| again| everyone)?"
    r"|good (?:morning|afternoon|evening|day)|nice to meet you",
    "fine": r"(?:very |really )?(?:ok(?:ay)?|great|cool|nice|perfect|good|fine|awesome|excellent|"
    r"wonderful|brilliant|interesting|helpful|useful|amazing)(?: (?:one|work|job|answer|stuff))?"
    r"|i see|(?:i )?(?:got|get) it|(?:i )?understood|(?:i )?understand|all ?right|wow|sure"
    r"|yes|yeah|yep|no|nope|well done|never ?mind|sorry|please"
    r"|(?:that|this|it)(?:'s| is| was| really| very)*"
    r" (?:helps?|helped|great|good|nice|helpful|useful|perfect|clear|enough|interesting|"
    r"makes sense)(?: (?:a lot|me|to know))?|makes sense|you(?:'ve| have) been (?:great|helpful)",
}
_PIECE = re.compile(
    f"(?:{'|'.join(f'(?P<{kind}>{words})' for kind, words in _KINDS.items())}|and|but|so)"
    r"(?![\w'/-])",  # "Hi-C" and "No-reference" say neither hello nor no
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\W_]*")
_STOP = re.compile(r"\s*[,.;!?…\n]")
_SOURCED = "sentences of their abstracts, each with a footnote to where it stands"
_REPLIES = {
    "help": f"This is Footnoted. It answers questions about the papers in this collection with "
    f"{_SOURCED}, and says so where they hold no answer. Ask for example: What is X? How fast is "
    f"it? Which papers deal with Y? Who wrote X? Which papers are from 2023?",
    "bye": "Goodbye.",
    "thanks": "You are welcome.",
    "how": "This is a program, which is never well or unwell. Ask it about the papers here.",
    "hello": f"Hello. Ask about the papers here: the answer is {_SOURCED}.",
    "fine": "All right. Ask on whenever you like.",
}


def reply(question: str) -> Refusal | None:
    """What to say to small talk; None where something is asked."""
    kinds, rest = _read(question)
    if rest or not kinds:
        return None
    kind = next(kind for kind in _KINDS if kind in kinds)
    return Refusal("not_in_collection", _REPLIES[kind])


def after(question: str) -> str:
    """The question without the "Thanks!" or "Hi," before it; as it stands where that is all."""
    kinds, rest = _read(question)
    return rest if kinds and rest else question


def _read(question: str) -> tuple[set[str], str]:
    """The kinds of small talk that a text begins with, and what comes after them.

    A piece counts only up to a comma or a stop: "Great ideas on retrieval" is none.
    """
    text = question[: _READ + 1].replace("’", "'")
    found, kinds, rest = set[str](), set[str](), question
    at = _past(text, 0)
    while piece := _PIECE.match(text, at):
        at = _past(text, piece.end())
        found |= {piece.lastgroup} if piece.lastgroup else set()
        if found and (at == len(question) or _STOP.match(text, piece.end())):
            kinds, rest = set(found), question[at:].strip()
    return kinds, rest


def _past(text: str, start: int) -> int:
    """Where the next word begins."""
    match = _BETWEEN.match(text, start)
    return match.end() if match else start


__all__ = ["after", "reply"]
