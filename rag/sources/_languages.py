"""Names of languages, as files give them -> ISO 639 codes."""

from __future__ import annotations

import re

# ISO 639-1, the three-letter codes of ISO 639-2 (both where there are two), and English names.
_TABLE = """
ar ara arabic|bg bul bulgarian|ca cat catalan|cs cze ces czech|da dan danish
de ger deu german ngerman|el gre ell greek|en eng english american british|es spa spanish
et est estonian|fa per fas persian|fi fin finnish|fr fre fra french|he heb hebrew|hi hin hindi
hr hrv croatian|hu hun hungarian|id ind indonesian|is ice isl icelandic|it ita italian
ja jpn japanese|ko kor korean|lt lit lithuanian|lv lav latvian|nl dut nld dutch
no nor norwegian|pl pol polish|pt por portuguese|ro rum ron romanian|ru rus russian
sk slo slk slovak|sl slv slovenian|sr srp serbian|sv swe swedish|th tha thai|tr tur turkish
uk ukr ukrainian|vi vie vietnamese|zh chi zho chinese
"""
_CODES = {
    name: group.split()[0] for group in re.split(r"[|\n]", _TABLE.strip()) for name in group.split()
}
_CODE = re.compile(r"[a-z]{2,3}")


def language(text: str) -> str | None:
    """`en` from `eng`, `English` or `en-US`; None for what is no language."""
    if not text:
        return None
    name = re.split(r"[-_;, ]", text.lower(), maxsplit=1)[0]
    return _CODES.get(name) or (name if _CODE.fullmatch(name) and name != "und" else None)
