r"""LaTeX as abstracts have it -> Unicode: `M{\"u}ller`, `\emph{deep}`, `$\alpha$`, `50\%`.

What is not understood stays as it is: a formula with a command that is not in the tables keeps its
dollar signs. Braces stay too, unless they belong to a command; `without_braces` is for BibTeX.
"""

from __future__ import annotations

import re
import unicodedata

_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306",
    ".": "\u0307", '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323",
    "c": "\u0327", "k": "\u0328", "b": "\u0331",
}  # fmt: skip
_MATH_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303",
    "bar": "\u0304", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308",
}  # fmt: skip
_LETTERS = {
    "ss": "\u00df", "o": "\u00f8", "O": "\u00d8", "l": "\u0142", "L": "\u0141", "ae": "\u00e6",
    "AE": "\u00c6", "oe": "\u0153", "OE": "\u0152", "aa": "\u00e5", "AA": "\u00c5", "i": "\u0131",
    "j": "\u0237", "S": "\u00a7", "P": "\u00b6", "dag": "\u2020", "ddag": "\u2021",
    "copyright": "\u00a9", "pounds": "\u00a3", "textdegree": "\u00b0", "textregistered": "\u00ae",
    "texttrademark": "\u2122", "textmu": "\u00b5", "ldots": "\u2026", "dots": "\u2026",
    "textellipsis": "\u2026", "textquoteright": "\u2019", "textquoteleft": "\u2018",
    "textquotedblleft": "\u201c", "textquotedblright": "\u201d", "textendash": "\u2013",
    "textemdash": "\u2014", "textbackslash": "\\", "textasciitilde": "~", "texteuro": "\u20ac",
    "euro": "\u20ac", "dh": "\u00f0", "DH": "\u00d0", "th": "\u00fe", "TH": "\u00de",
    "dj": "\u0111", "DJ": "\u0110", "textless": "<", "textgreater": ">", "textunderscore": "_",
    "textbar": "|", "textbraceleft": "{", "textbraceright": "}", "textasciicircum": "^",
    "LaTeX": "LaTeX", "TeX": "TeX",
}  # fmt: skip
_GREEK = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma
    tau upsilon phi chi psi omega""".split()
_NAMES = {"lambda": "LAMDA"}  # as Unicode spells it
_SYMBOLS = {
    "times": "\u00d7", "cdot": "\u00b7", "pm": "\u00b1", "mp": "\u2213", "div": "\u00f7",
    "leq": "\u2264", "le": "\u2264", "geq": "\u2265", "ge": "\u2265", "neq": "\u2260",
    "ne": "\u2260", "approx": "\u2248", "sim": "\u223c", "simeq": "\u2243", "cong": "\u2245",
    "equiv": "\u2261", "propto": "\u221d", "ll": "\u226a", "gg": "\u226b", "lesssim": "\u2272",
    "gtrsim": "\u2273", "infty": "\u221e", "partial": "\u2202", "nabla": "\u2207", "in": "\u2208",
    "notin": "\u2209", "subset": "\u2282", "subseteq": "\u2286", "supset": "\u2283",
    "cup": "\u222a", "cap": "\u2229", "setminus": "\u2216", "emptyset": "\u2205",
    "forall": "\u2200", "exists": "\u2203", "neg": "\u00ac", "land": "\u2227", "lor": "\u2228",
    "wedge": "\u2227", "vee": "\u2228", "oplus": "\u2295", "otimes": "\u2297", "circ": "\u2218",
    "bullet": "\u2022", "star": "\u22c6", "ast": "\u2217", "to": "\u2192", "rightarrow": "\u2192",
    "leftarrow": "\u2190", "leftrightarrow": "\u2194", "Rightarrow": "\u21d2",
    "Leftarrow": "\u21d0", "Leftrightarrow": "\u21d4", "mapsto": "\u21a6", "uparrow": "\u2191",
    "downarrow": "\u2193", "longrightarrow": "\u27f6", "sum": "\u2211", "prod": "\u220f",
    "int": "\u222b", "ell": "\u2113", "hbar": "\u210f", "Re": "\u211c", "Im": "\u2111",
    "perp": "\u22a5", "parallel": "\u2225", "mid": "|", "vert": "|", "Vert": "\u2016",
    "langle": "\u27e8", "rangle": "\u27e9", "lceil": "\u2308", "rceil": "\u2309",
    "lfloor": "\u230a", "rfloor": "\u230b", "cdots": "\u22ef", "prime": "\u2032",
    "dagger": "\u2020", "triangle": "\u25b3", "square": "\u25a1", "top": "\u22a4",
    "models": "\u22a8", "log": "log", "ln": "ln", "exp": "exp", "sin": "sin", "cos": "cos",
    "tan": "tan", "min": "min", "max": "max", "arg": "arg", "sup": "sup", "inf": "inf",
    "lim": "lim", "det": "det", "dim": "dim", "deg": "deg", "ker": "ker", "Pr": "Pr", "gcd": "gcd",
    "quad": " ", "qquad": " ", "left": "", "right": "", "big": "", "Big": "", "bigl": "",
    "bigr": "", "displaystyle": "", "textstyle": "", "rm": "", "varepsilon": "\u03b5",
    "vartheta": "\u03d1", "varphi": "\u03c6", "varrho": "\u03f1", "varsigma": "\u03c2",
    "degree": "\u00b0",
}  # fmt: skip
for _name in _GREEK:
    _unicode = _NAMES.get(_name, _name.upper())
    _SYMBOLS[_name] = unicodedata.lookup(f"GREEK SMALL LETTER {_unicode}")
    _SYMBOLS[_name.capitalize()] = unicodedata.lookup(f"GREEK CAPITAL LETTER {_unicode}")
_WORDS = {**_SYMBOLS, **_LETTERS}
_STYLES = (
    "emph|textit|textbf|textsc|texttt|textrm|textsf|textup|textsl|text|mbox|hbox|mathrm|mathbf|"
    "mathcal|mathbb|mathit|mathsf|mathtt|mathfrak|boldsymbol|bm|operatorname|underline|uline|url|"
    "path|uppercase|lowercase|ensuremath|textsuperscript|textsubscript|textnormal|mathscr|em|bf|it|"
    "footnotesize|small|large|pmb|rm|sc|tt|bold|italic"
)
_ACCENT = re.compile(
    r"""\\(?:(?P<mark>[`'^~=."])|(?P<letter>[uvHcdbrk])(?=[\s{]|\\[ij]\b))\s*
        (?:\{\s*(?P<braced>\\?[A-Za-z\u0131])\s*\}|(?P<bare>\\[ij](?![A-Za-z])|[A-Za-z\u0131]))""",
    re.VERBOSE,
)
_BRACED_ACCENT = re.compile(r"\{([^\W\d_][\u0300-\u0338]?)\}")
_MATH_ACCENT = re.compile(
    rf"\\({'|'.join(_MATH_ACCENTS)})(?:\s*\{{\s*(\\?[A-Za-z]+)\s*\}}|\s+([A-Za-z]))"
)
_STYLED = re.compile(rf"\\(?:{_STYLES})\s*\{{([^{{}}]{{0,2000}})\}}")
_OLD_STYLE = re.compile(r"\{\\(?:em|bf|it|rm|sc|tt|sl|cal)\s+([^{}]{0,2000})\}")
_LINKED = re.compile(r"\\href\s*\{([^{}]{0,2000})\}\s*\{([^{}]{0,2000})\}")
_CITED = re.compile(
    r"[~\s]{0,3}\\(?:cite[a-z]{0,10}|ref|eqref|autoref|label|cref)\*?(?:\[[^\[\]]{0,200}\]){0,2}\{[^{}]{0,500}\}"
)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]{1,80})\}\s*\{([^{}]{1,80})\}")
_ROOT = re.compile(r"\\sqrt\s*\{([^{}]{1,80})\}")
_BLOCKS = re.compile(
    r"\\(?:begin|end)\s*\{(?:itemize|enumerate|quote|abstract|center|description)\}|\\(?:item|noindent|par|newline|smallskip|medskip|bigskip)(?![A-Za-z])"
)
_WORD = re.compile(r"\\([A-Za-z]+)(\s*\{\}|(?<=[a-z])\s(?=[a-z])|)")
_ESCAPED = re.compile(r"\\([%&_#$ {}])")
_SPACED = re.compile(r"\\[,;:!/]|\\\\(?=\s|$)")
_QUOTED_BY_SLASH = re.compile(r"\\[\"'](?<=[\w.,!?]\\[\"'])(?=[^\w{\\]|$)")
_CONTRACTED = re.compile(r"\\'(?<=[A-Za-z]\\')(?=(?:s|t|re|ve|ll|d|m)\b)")
_TIE = re.compile(r"~(?<=[A-Za-z.,:;)]~)(?=[\w(\[\\$])")
_MATHS = re.compile(
    r"\\\((?P<round>[^$]{1,300}?)\\\)|(?<![\\$])\$(?P<dollar>[^\s$](?:[^$]{0,298}[^\s$\\])?)\$(?![\d$])"
)
_IS_MATH = re.compile(
    r"[\\^_{}=<>]|[A-Za-z]|[^A-Za-z]*[-+*/()|]?[^A-Za-z]*[A-Za-z](?:[-+*/()|,]\w{0,3})*|[\d.,]+[KMBkx%]?"
)
_SCRIPT = re.compile(r"([\^_])\{([^{}]{1,40})\}")


_KEPT = "\x04"  # a backslash in a formula that is not understood


def has_latex(text: str) -> bool:
    """Whether there is a sign that only LaTeX gives a meaning to."""
    return "\\" in text or "$" in text or "``" in text


def from_latex(text: str) -> str:
    """Turn what is understood into Unicode, in time that grows with the length alone."""
    if "\\" in text:
        text = _commands(text)
    if "$" in text or "\\(" in text:
        text = _MATHS.sub(_formula, text)
    if "\\" in text:
        text = _SPACED.sub(" ", _ESCAPED.sub(r"\1", _words(text)))
    text = text.replace(_KEPT, "\\")
    if "``" in text and "''" in text:
        text = text.replace("``", "\u201c").replace("''", "\u201d")
    return _TIE.sub(" ", text)


def without_braces(text: str) -> str:
    """BibTeX's braces, which guard capitals, and its dashes; formulas in dollars stay whole."""
    parts = text.split("$")
    if len(parts) % 2 == 0:
        parts = [text]
    for at in range(0, len(parts), 2):
        dashed = parts[at].replace("---", "\u2014").replace("--", "\u2013")
        parts[at] = re.sub(r"(?<!\\)[{}]", "", dashed)  # last: `-{}-` is two hyphens
    return "$".join(parts)


def _commands(text: str) -> str:
    text = _CONTRACTED.sub("'", text)
    if not _QUOTED_BY_SLASH.search(text):  # `\"so\"` is JSON escaped twice, no accent
        text = _ACCENT.sub(_accented, text)
        text = _BRACED_ACCENT.sub(_unbraced, text)
    if "\\cite" in text or "ref{" in text:
        text = _CITED.sub("", text)
    text = _LINKED.sub(r"\2", text)
    text = _BLOCKS.sub(" ", text)
    for _ in range(4):  # styles inside styles
        styled = _OLD_STYLE.sub(r"\1", _STYLED.sub(r"\1", text))
        if styled == text:
            break
        text = styled
    return text


def _accented(match: re.Match[str]) -> str:
    letter = (match["braced"] or match["bare"]).lstrip("\\").replace("\u0131", "i")
    whole = unicodedata.normalize("NFC", letter + _ACCENTS[match["mark"] or match["letter"]])
    return whole if len(whole) == 1 else match.group()


def _unbraced(match: re.Match[str]) -> str:
    return match[1] if not match[1].isascii() else match.group()


def _words(text: str) -> str:
    text = re.sub(r"\{\\([A-Za-z]+)\}", lambda m: _WORDS.get(m[1], m.group()), text)
    return _WORD.sub(lambda m: _word(m, _LETTERS) or _word(m, _SYMBOLS) or m.group(), text)


def _word(match: re.Match[str], table: dict[str, str]) -> str:
    found = table.get(match[1])
    if found is None:
        return ""
    # After a letter such as `\o` the blank only ends the command; after a symbol it is one.
    ends = table is _LETTERS and len(match[1]) <= 2
    return found + (" " if match[2] == " " and not ends else "")


def _formula(match: re.Match[str]) -> str:
    source = match["round"] or match["dollar"]
    if not _looks_like_math(source):
        return match.group()
    text = _MATH_ACCENT.sub(_math_accented, source)
    text = _ROOT.sub(lambda m: f"\u221a{_group(m[1])}", text)
    text = _FRACTION.sub(lambda m: f"{_group(m[1])}/{_group(m[2])}", text)
    text = re.sub(r"\\[,;:!]|\\ ", " ", text.replace(r"\{", "\x02").replace(r"\}", "\x03"))
    text = re.sub(r"\\([A-Za-z]+) ?", _symbol, text)
    text = text.replace(r"\%", "%").replace(r"\#", "#").replace(r"\_", "_").replace(r"\|", "\u2016")
    text = _SCRIPT.sub(lambda m: m[1] + _group(m[2]), text)
    if "\\" in text or "{" in text or "}" in text:
        return match.group().replace("\\", _KEPT)
    return text.replace("\x02", "{").replace("\x03", "}").strip()


def _looks_like_math(source: str) -> bool:
    """A dollar sign is money too."""
    return bool(re.search(r"[\\^_{}=<>]", source)) or bool(_IS_MATH.fullmatch(source))


def _symbol(match: re.Match[str]) -> str:
    found = _SYMBOLS.get(match[1])
    if found is None:
        return match.group()
    return f"{found} " if match.group().endswith(" ") else found


def _math_accented(match: re.Match[str]) -> str:
    letter = match[2] or match[3]
    if letter.startswith("\\"):
        letter = _SYMBOLS.get(letter[1:], letter)
    return letter + _MATH_ACCENTS[match[1]] if len(letter) == 1 else match.group()


def _group(text: str) -> str:
    text = text.strip()
    return text if len(text) < 2 or text.lstrip("-").isalnum() else f"({text})"
