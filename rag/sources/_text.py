"""What text looks like once it is inside: one line, composed, free of what cannot be seen."""

from __future__ import annotations

import re
import unicodedata

# Soft hyphens, zero-width and bidi controls, tags and variation selectors hide instructions and
# break exact quotes; lone surrogates and noncharacters cannot be stored.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_LIGATURE = re.compile("[\ufb00-\ufb06]")  # as PDFs have them: no search for "find" would meet one
_MAX_MARKS = 30  # Unicode's own limit for text that is safe to stream (UAX 15)
_LONG_RUN = re.compile(rf"[^\w\s\x00-\x7f]{{{_MAX_MARKS + 1},}}")
_DAMAGED_SHARE = 0.2


def clean(text: str) -> str:
    """Compose (NFC), drop what cannot be seen, and turn each run of whitespace into one space."""
    if text.isascii() and text.isprintable():
        if "  " not in text:
            return text.strip()  # most text is clean: this is for speed
    else:
        text = _compose(_UNSEEN.sub("", text))
    return " ".join(text.split())


def _compose(text: str) -> str:
    """NFC, in linear time: it sorts a run of combining marks quadratically, so runs are cut."""
    if text.isascii():
        return text
    if _LIGATURE.search(text):
        text = _LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)
    return _LONG_RUN.sub(_thin, unicodedata.normalize("NFC", _LONG_RUN.sub(_thin, text)))


def _thin(run: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in run.group():
        marks += unicodedata.combining(character) > 0
        if marks <= _MAX_MARKS or not unicodedata.combining(character):
            kept.append(character)
    return "".join(kept)


def is_rubbish(text: str) -> bool:
    """Whether so much was lost in decoding (U+FFFD) that nobody could read the rest."""
    return text.count("\ufffd") > _DAMAGED_SHARE * len(text)
