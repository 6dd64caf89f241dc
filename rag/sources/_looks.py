"""How a file begins -> which format it is in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from rag.sources._fields import NONE, known
from rag.sources.delimited import Csv, Tsv, sniff
from rag.sources.hf_page import looks_like_page
from rag.sources.text import is_labelled, is_wrapped, looks_like_text

_REJECTED = ('"source"', '"line"', '"reason"', '"raw"')  # the keys of a line of rejected.jsonl
_RIS = re.compile(r"TY  ?-", re.MULTILINE)
_BIBTEX = re.compile(r"^[ \t]*@[A-Za-z]+[ \t]*[{(]", re.MULTILINE)
_MEDLINE = re.compile(r"^PMID ?- ?[0-9]", re.MULTILINE)
_MARKDOWN = re.compile(r"^#{1,6} ", re.MULTILINE)
_TAGGED = ((_RIS, "ris"), (_MEDLINE, "medline"))
_XML = (
    ("<PubmedArticle", "pubmed_xml"),
    ("<PubmedBookArticle", "pubmed_xml"),
    ("<entry", "arxiv_atom"),
    ("<feed", "arxiv_atom"),
)


def guess_by_look(text: str, fields: Mapping[str, str] = NONE) -> str | None:
    """Name the format of a text that begins so; None where nothing fits."""
    text = text.lstrip("\ufeff \t\r\n").replace("\r\n", "\n").replace("\r", "\n")
    if text.startswith(("{", "[")):
        return refine("json", text)
    if text.startswith("<"):
        found = next((format for sign, format in _XML if sign in text), None)
        return found or ("hf_html" if re.search(r"(?i)<(?:!doctype )?html", text) else None)
    found = next((format for sign, format in _TAGGED if sign.match(text)), None)
    if found:
        return found
    return _of_lines(text, fields)


def _of_lines(text: str, fields: Mapping[str, str]) -> str | None:
    header = text.partition("\n")[0]
    for name, delimiters in (("tsv", Tsv.delimiters), ("csv", Csv.delimiters)):
        if sniff(header, delimiters, fields):
            return name
    if _BIBTEX.search(text):
        return "bibtex"
    if is_labelled(text):
        return "text"
    if looks_like_page(text) and not is_wrapped(text) and not _MARKDOWN.search(text):
        return "hf_page"
    return "text" if looks_like_text(text) else None


def refine(by_suffix: str, text: str) -> str:
    """Tell an array, one object a line, one object, and a file of rejects from each other."""
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        # A line of JSONL may be an array by mistake; then it ends where the line does.
        line = text.partition("\n")[0]
        return "json" if by_suffix == "json" or not _decodes(line) else by_suffix
    if not text.startswith("{"):
        return by_suffix
    line, _, rest = text.partition("\n")
    if all(key in line for key in _REJECTED):
        return "rejected"
    if by_suffix == "jsonl":
        return by_suffix
    first = _decodes(line)
    if isinstance(first, dict):
        return "jsonl" if known(first) & {"title", "abstract"} else "json"
    goes_on = line.rstrip().endswith(("{", "[", ",", ":"))
    return "jsonl" if rest.lstrip().startswith("{") and not goes_on else "json"


def _decodes(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
