"""Changes of a sentence that overlap of words hardly shows, and harmless ones beside them.

Each takes a sentence and returns it changed, or None where it does not apply. `FALSE` turn it into
something that its paper does not say, `HARMLESS` leave what it says as it was. Made by rule: a few
in a hundred read badly, or change less than they seem to.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Change = Callable[[str, random.Random, Sequence[str]], str | None]

# Written for this, before the lists that rag/_facts.py reads, and wider than those were.
DIRECTIONS = {
    "increase/decrease": """increase decrease|increases decreases|increased decreased|
        increasing decreasing|rise fall|rises falls|grows shrinks|reduces raises|reduce raise|
        reduced raised|reducing raising|reduction rise|elevated lowered|decline increase""",
    "higher/lower": "higher lower|high low|highest lowest|above below",
    "faster/slower": """faster slower|fast slow|rapid slow|rapidly slowly|accelerates slows|
        accelerate slow|quickly slowly""",
    "better/worse": "better worse|best worst|superior inferior|good bad",
    "more/fewer": """more fewer|most least|larger smaller|large small|greater smaller|less more|
        longer shorter|long short|majority minority|many few""",
    "gain/loss": """gain loss|gains losses|benefit harm|benefits harms|advantage drawback|
        advantages drawbacks|win lose|success failure""",
    "improve/degrade": """improve degrade|improves degrades|improved degraded|improving degrading|
        improvement degradation|improvements degradations|enhances impairs|enhance impair|
        enhanced impaired|strengthens weakens|strong weak""",
    "outperform/underperform": """outperforms underperforms|outperform underperform|
        outperforming underperforming|surpasses trails|surpassing trailing|exceeds trails""",
    "before/after": "before after|prior-to after|early late|earlier later|during after",
    "with/without": "with without|including excluding",
    "sufficient/insufficient": """sufficient insufficient|effective ineffective|
        efficient inefficient|efficiently inefficiently|able unable|consistent inconsistent|
        accurate inaccurate|reliable unreliable|necessary unnecessary|possible impossible|
        significant insignificant|stable unstable|likely unlikely|known unknown|
        important unimportant|required optional|dependent independent""",
    "positive/negative": """positive negative|positively negatively|beneficial harmful|
        safe dangerous|present absent|presence absence|same different|similar different|
        common rare""",
    "inhibit/promote": """inhibits promotes|inhibit promote|inhibited promoted|
        inhibition promotion|activation inhibition|activates inhibits|activated inhibited|
        suppresses stimulates|suppressed stimulated|blocks enables|prevents causes|prevent cause|
        prevented caused|induces prevents|induced prevented|protects endangers|facilitates hinders|
        promotes inhibits|promote inhibit|supports contradicts|supports refutes""",
    "up/down-regulate": """upregulated downregulated|upregulation downregulation|
        upregulates downregulates|up-regulated down-regulated|up-regulation down-regulation""",
}  # fmt: skip
SYNONYMS = """show demonstrate|shows demonstrates|showed demonstrated|use employ|uses employs|
    used employed|using employing|propose suggest|method approach|methods approaches|
    approach method|novel new|however nevertheless|important crucial|many numerous|find observe|
    found observed|large big|study investigation|studies investigations|obtain get|
    obtained gained|various different|required needed|requires needs|whereas while|furthermore
    moreover|significant considerable|help aid|helps aids|often frequently|provide offer|
    provides offers|enables allows|because since|therefore hence|results findings|task problem|
    tasks problems|assess evaluate|assessed evaluated|examined investigated|increase rise|
    improves enhances|improve enhance|reduces lowers|reduce lower|decreased reduced|
    increased raised|faster quicker|larger bigger|outperforms surpasses|outperform surpass"""
_PRONOUNS = frozenset("we it this these they there that i he she both all what here to in".split())
AUXILIARY = re.compile(r"\b(is|are|was|were|can|does|do|has|have)\b(?! not)")
NUMBER = re.compile(r"\b\d+(?:\.\d+)?")
NAME = re.compile(r"\b(?:[A-Z][a-z]*[A-Z][\w-]*|[A-Z]{2,}[\w-]*)\b")


def _table(pairs: str, both: bool) -> dict[str, str]:
    out: dict[str, str] = {}
    for pair in pairs.split("|"):
        one, other = (word.replace("prior-to", "prior to") for word in pair.split())
        out.setdefault(one, other)
        if both:
            out.setdefault(other, one)
    return out


SWAPS = {group: _table(pairs, both=True) for group, pairs in DIRECTIONS.items()}
_SAME = _table(SYNONYMS, both=False)
_KEPT = r"(?! (?:respect|regard)\b)"  # "with respect to" turned round is no English


def _swap(text: str, table: dict[str, str], rng: random.Random) -> str | None:
    pattern = rf"(?<![\w-])(?:{'|'.join(map(re.escape, table))})(?![\w-]){_KEPT}"
    found = list(re.finditer(pattern, text))
    if not found:
        return None
    at = rng.choice(found)
    return text[: at.start()] + table[at[0]] + text[at.end() :]


def direction(group: str) -> Change:
    return lambda text, rng, names: _swap(text, SWAPS[group], rng)


def number(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = NUMBER.search(text)
    return found and f"{text[: found.start()]}{float(found[0]) * 3 + 1:g}{text[found.end() :]}"


def negation(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = AUXILIARY.search(text)
    return found and f"{text[: found.end()]} not{text[found.end() :]}"


def name(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = NAME.search(text)
    other = rng.choice([n for n in names if n not in text])
    return found and text[: found.start()] + other + text[found.end() :]


_END = (
    r"(?=[,;:)]|\.(?!\d)"
    r"| (?:in|on|for|by|at|with|is|are|was|were|do|does|did|when|while|under|after)\b)"
)
_PART = r"((?:[\w'/+-]+ ){0,3}[\w'/+-]+)"
_VERB = r"(?:is|are|was|were|has|have|had|shows?|showed|achieves?|achieved|requires?|performs?)"
_BEATS = (
    r"(?:significantly |consistently |substantially )?(?:outperform|surpass|exceed|beat)(?:s|ed)?"
)
_THAN = r"(?<!other )(?<!rather )than|compared (?:with|to)|relative to|versus|vs"
_MORE = (
    r"\b(?:more|less|\w{2,}er|fewer|better|worse|superior|inferior|improve\w*|advantages?|gains?)\b"
)
_FRAMES = (
    re.compile(
        rf"^(.*{_MORE}.* (?P<prep>in|for|with|among|of|on) )(?:the )?{_PART}( (?:{_THAN}) "
        rf"(?P=prep) )(?:the )?{_PART}{_END}"
    ),
    re.compile(rf"^()((?:[\w'/+-]+ ){{0,4}}[\w'/+-]+)( {_BEATS} )(?:the )?{_PART}{_END}"),
    re.compile(
        rf"^()((?:[\w'/+-]+ ){{0,4}}[\w'/+-]+)( {_VERB} [^,;.]*?{_MORE}"
        rf"(?:[^,;.]*? (?:{_THAN})|(?: \w+){{0,3}} over) )"
        rf"(?!in |for |with |among |of |on )(?:the )?{_PART}{_END}"
    ),
)
_LEAVES = frozenset(
    "those that previously expected other others any all one half twice more less it them the a an "
    "either both each only placebo".split()
)
_INSIDE = frozenset(
    """although because that while rather other most background is are was were has have had be been
    than compared more less of""".split()
)


def comparison(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    """'A is faster than B' to 'B is faster than A', and the like with other syntax."""
    for frame in _FRAMES:
        found = frame.search(text)
        if found is None:
            continue
        before, one, middle, other = (
            g for at, g in enumerate(found.groups()) if len(found.groups()) < 5 or at != 1
        )
        firsts = {one.split()[0].lower(), other.split()[0].lower()}
        if firsts & (_PRONOUNS | _LEAVES) or set(one.lower().split()) & set(other.lower().split()):
            continue
        if other[0].isdigit() or _INSIDE & {*one.lower().split(), *other.lower().split()}:
            continue
        start = _capital(_small(other)) if not before else other
        return before + start + middle + _small(one) + text[found.end() :]
    return None


_MOVES = re.compile(
    r"(.*\b(?:increas|decreas|improv|reduc|dropp?|fall|fell|ris|rose|grow|grew|shift|chang|transi|mov|"
    r"transfer|switch|conver|progress|map|translat|adapt|generali|distil|decli)\w*\b.*\bfrom )"
    rf"((?:[\w.%'/+-]+ ){{0,2}}[\w.%'/+-]+)( to )((?:[\w.%'/+-]+ )?[\w%'/+-]+){_END}(.*)"
)


def from_to(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    found = _MOVES.fullmatch(text)
    if not found or set(found[2].split()) & set(found[4].split()):
        return None
    return found[1] + found[4] + found[3] + found[2] + found[5]


def synonym(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    return _swap(text, _SAME, rng)


def dropped(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    """Without a bracket, an opening word, or its last clause."""
    changed = re.sub(r" \([^)]*\)", "", text).replace(" also ", " ").replace("%", " percent")
    changed = re.sub(
        r"^(?:However|Moreover|In addition|Furthermore|Thus|Therefore), (\w)",
        lambda m: m[1].upper(),
        changed,
    )
    clause = re.fullmatch(r"(.{60,}), (?:and|while|whereas|which|where|thus|thereby) .*", changed)
    return f"{clause[1]}." if clause else changed


_INTRO = re.compile(
    r"((?:In|On|For|At|Using|With|By|During|After|Before|Among|Within|Under|Across|Through|When|"
    r"Compared (?:with|to)|Unlike|Despite|Because|Although|If|As)\b[^,;:()]{5,60}), ([^.;:]{25,})\."
)
_TAIL = re.compile(
    r"(.{25,}[^,]) ((?:during|after|before|among|within|across|compared with|compared to|despite|"
    r"because|although|when|while|by using|using)\b[^,;:()]{8,})\."
)


def reordered(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    """'In mice, A grows.' to 'A grows in mice.', and the other way."""
    if found := _INTRO.fullmatch(text):
        return f"{_capital(found[2])} {_small(found[1])}."
    if found := _TAIL.fullmatch(text):
        return f"{_capital(found[2])}, {_small(found[1])}."
    return None


_WE = re.compile(
    r"(?:Here,? |In this paper,? |In this work,? )?[Ww]e (propose|present|introduce|develop|"
    r"describe|used|analyzed|investigated|identified|examined|performed|compared) "
    r"((?!that |to |as |how |whether )(?:(?! and | to )[^,.;:]){10,})([,.;](?!\d).*|)"
)
_PAST = {
    "propose": "proposed", "present": "presented", "introduce": "introduced",
    "develop": "developed", "describe": "described",
}  # fmt: skip
_NO_SUBJECT = _PRONOUNS | frozenset("which is are was were often not and".split())
_ACTIVE = re.compile(
    r"((?:[\w'/+-]+ ){0,4}[\w'/+-]+) (significantly |consistently )?"
    r"(outperform|surpass|exceed|inhibit|activate|suppresse|promote|induce|regulate|reduce|"
    r"increase|enhance|improve|encode|mediate)s "
    r"((?!in |with |at |by |to |as |and )(?:[\w'/+-]+ ){0,5}[\w'/+-]+)([,.;].*)"
)


def voice(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    """Active to passive."""
    if found := _WE.fullmatch(text):
        verb = _PAST.get(found[1], found[1])
        return f"{_capital(found[2])} is {verb} by the authors{found[3]}"
    found = _ACTIVE.fullmatch(text)
    if not found or {*found[1].lower().split()} & _NO_SUBJECT:
        return None
    verb = found[3] + ("d" if found[3].endswith("e") else "ed")
    adverb = found[2] or ""
    return f"{_capital(found[4])} is {adverb}{verb} by {_small(found[1])}{found[5]}"


_MIRRORS = {
    "faster": "slower", "slower": "faster", "higher": "lower", "lower": "higher",
    "better": "worse", "worse": "better", "larger": "smaller", "smaller": "larger",
    "greater": "smaller", "longer": "shorter", "shorter": "longer",
}  # fmt: skip


def mirrored(text: str, rng: random.Random, names: Sequence[str]) -> str | None:
    """'A is faster than B' to 'B is slower than A'."""
    swapped = comparison(text, rng, names)
    found = swapped and re.search(rf"\b({'|'.join(_MIRRORS)})\b(?=[^,;]* than\b)", swapped)
    if not found or len(re.findall(rf"\b(?:{'|'.join(_MIRRORS)})\b", text)) > 1:
        return None
    assert swapped is not None
    return swapped[: found.start()] + _MIRRORS[found[1]] + swapped[found.end() :]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _small(text: str) -> str:
    """The first letter small, but for names."""
    return text[0].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


FALSE: dict[str, Change] = {
    "number": number,
    "name": name,
    "negation": negation,
    **{group: direction(group) for group in DIRECTIONS},
    "A beats B": comparison,
    "from X to Y": from_to,
}
HARMLESS: dict[str, Change] = {
    "synonym": synonym,
    "clause dropped": dropped,
    "reordered": reordered,
    "passive": voice,
    "mirrored": mirrored,
}
