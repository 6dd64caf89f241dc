"""DOIs, other ids of papers, and web addresses, as people write them -> one form each."""

from __future__ import annotations

import re

_ARCHIVES = (
    "acc-phys|adap-org|alg-geom|ao-sci|astro-ph|atom-ph|bayes-an|chao-dyn|chem-ph|cmp-lg|comp-gas|"
    "cond-mat|cs|dg-ga|funct-an|gr-qc|hep-ex|hep-lat|hep-ph|hep-th|math|math-ph|mtrl-th|nlin|"
    "nucl-ex|nucl-th|patt-sol|physics|plasm-ph|q-alg|q-bio|quant-ph|solv-int|supr-con"
)
_MONTH = "[0-9]{2}(?:0[1-9]|1[0-2])"
_ARXIV = re.compile(
    rf"""(?: (?:oai:)? arxiv (?:\.org)? :\s*
           | https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html|ps)/
           | https?://huggingface\.co/papers/
           | (?:https?://(?:dx\.|www\.)?doi\.org/|doi:\s*)? 10\.48550/arxiv\. )?
        (?: (?P<new>{_MONTH}\.[0-9]{{4,5}})
          | (?P<archive>{_ARCHIVES}) (?:\.[a-z]{{2}})? / (?P<number>{_MONTH}[0-9]{{3}}) )
        (?:v(?P<version>[0-9]{{1,3}}))? (?:\.pdf)? /? (?:[?\#].*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_DOI = re.compile(
    r"(?:https?://(?:dx\.|www\.)?doi\.org/|doi:\s*)?(10\.[0-9]{4,9}/\S+)", re.IGNORECASE
)
_PMID = re.compile(
    r"(?:pmid:?\s*|https?://(?:www\.)?(?:ncbi\.nlm\.nih\.gov/pubmed|pubmed\.ncbi\.nlm\.nih\.gov)/)?"
    r"([0-9]{1,9})/?",
    re.IGNORECASE,
)
_OPENALEX = re.compile(
    r"(?:https?://(?:api\.)?openalex\.org/(?:works/)?)?(W[0-9]{2,12})", re.IGNORECASE
)
_WEB = re.compile(r"https?://[^\s<>\"{}|\\^`]+", re.IGNORECASE)
_BARE = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}/[^\s<>\"{}|\\^`]+", re.IGNORECASE)


def arxiv_id(text: str) -> str | None:
    """`1812.06145` from `arXiv:1812.06145v2`, an arxiv.org address or an arXiv DOI."""
    found = arxiv_version(text)
    return found[0] if found else None


def arxiv_version(text: str) -> tuple[str, int | None] | None:
    """`arxiv_id`, and the version where the text names one."""
    match = _ARXIV.fullmatch(text.strip())
    if not match:
        return None
    version = int(match["version"] or 0) or None
    return match["new"] or f"{match['archive'].lower()}/{match['number']}", version


def arxiv_year(identifier: str | None) -> int | None:
    """The year of submission, which the first two digits of an arXiv id tell (1991 to 2090)."""
    digits = (identifier or "").rpartition("/")[2][:2]
    return None if not digits else int(digits) + (1900 if int(digits) > 90 else 2000)


def doi(text: str) -> str | None:
    """`10.1145/3292500.3330701`, in lower case and without `https://doi.org/`."""
    match = _DOI.fullmatch(text.strip()) if text else None
    return match[1].lower().rstrip(".,;") if match else None


def pmid(text: str) -> str | None:
    """`31452104`, from the number, `PMID: ...` or an address at PubMed."""
    match = _PMID.fullmatch(text.strip())
    return match[1].lstrip("0") or None if match else None


def openalex_id(text: str) -> str | None:
    """`W2741809807`, from the name or the address of a work at OpenAlex."""
    match = _OPENALEX.fullmatch(text.strip()) if text else None
    return match[1].upper() if match else None


def web_address(text: str) -> str | None:
    """An http(s) address; `github.com/x/y` becomes one, anything else (javascript:) is None."""
    text = text.strip()
    if _WEB.fullmatch(text):
        return text
    return f"https://{text}" if _BARE.fullmatch(text) else None
