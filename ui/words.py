"""Words that can name a topic: no stop words, nor what every abstract says."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z][A-Za-z-]{2,24}")
_COMMON = frozenset(
    """a about above across after again against all allows along already also although among an and
    another any are around as at based be because been before being best better between both but by
    can cannot compared could current demonstrate demonstrates despite different does due during
    each effective efficient eight either enable enables enabling especially even existing
    experiments extensive few find first five following for four framework from further given
    how has have having here high however improve improved improvement improves improving include
    including instead into introduce introduces its itself key large larger largely optimized
    accuracy comprehensive open-source leading less like
    limited low make makes many may method methods model models more most much multiple must near
    new no non nor not novel number of often on one only open or other our out over own paper
    papers perform performance performs per present presents previous problem propose proposed
    proposes provide provides recent recently remains require requires respectively result
    results same set several show shows significant significantly since single six small so
    some standard state state-of-the-art still strong study such systems task tasks than that the
    their them then there these they this those three through thus time to together top toward
    towards two under unlike up upon use used uses using various very via was we well were what
    when where whether which while whose why will with within without work works yet you your
    approach approaches achieve achieves achieving address challenge challenges code data dataset
    datasets evaluation evaluate benchmark benchmarks training train trained learning language
    across analysis associated aim available conclusions effect effects level levels background
    objective found suggest increased decreased significantly""".split()
)


def words(text: str) -> list[str]:
    found = (word.lower() for word in _WORD.findall(text))
    return [word for word in found if word not in _COMMON]
