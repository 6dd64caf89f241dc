"""What to tell somebody who named papers that are not there: which are near, how to find ids."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from heapq import nlargest

from rag._cli_format import one_line

_EXPLAINED = 3  # ids; of the others it is only said how many they are
_OFFERED = 3  # papers for each
_SHORT = 4  # letters, below which a part of an id or a title tells nothing
_ALIKE = 0.75  # one letter of a short id wrong, or some words of a title
_TITLE = 70  # characters shown


def unknown_ids(given: Sequence[str], papers: Iterable[tuple[str, str]], home: str | None) -> str:
    """Say what ids there are instead; `papers` are pairs of id and title."""
    known = list(papers)
    lines = [line for name in given[:_EXPLAINED] for line in _explained(name, known)]
    if len(given) > _EXPLAINED:
        lines.append(f"and {len(given) - _EXPLAINED} more ids that are not there.")
    at = f" {shlex.join(['--home', home])}" if home else ""
    lines.append(
        f"The id of a paper stands below its title: footnoted search WORDS{at}\n"
        f"All ids, one paper a line: footnoted export --format csv{at}"
    )
    return "\n".join(lines)


def _explained(name: str, known: Sequence[tuple[str, str]]) -> list[str]:
    near = closest(name, known)
    head = f"no paper has the id '{one_line(name)}'."
    offered = [f"  {paper}  {_cut(one_line(title))}" for paper, title in near]
    return [f"{head} Near it:", *offered] if near else [head]


def closest(name: str, known: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of id and title that `name` may mean, the likeliest first."""
    wanted = name.casefold().strip()
    scored = ((_likeness(wanted, pair), pair) for pair in known)
    best = nlargest(_OFFERED, (s for s in scored if s[0] >= _ALIKE), key=lambda s: s[0])
    return [pair for _, pair in best]


def _likeness(wanted: str, pair: tuple[str, str]) -> float:
    """How alike a name is to an id, with or without its kind, or to a title, in [0, 1]."""
    found = pair[0].casefold(), pair[0].casefold().partition(":")[2], pair[1].casefold()
    if len(wanted) >= _SHORT and any(wanted in text for text in found):
        return 1.0
    words = set(wanted.split())
    if len(words) > 1 and words <= set(re.findall(r"[^\s:,;.?!]+", found[2])):
        return 1.0
    return max((_ratio(wanted, text) for text in found if text), default=0.0)


def _ratio(a: str, b: str) -> float:
    """`SequenceMatcher.ratio`, or 0 where its cheaper bounds say that it is too low."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio)
    return 0.0 if any(bound() < _ALIKE for bound in bounds) else matcher.ratio()


def _cut(title: str) -> str:
    return title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"
