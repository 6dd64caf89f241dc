"""70 real papers with abstracts in our own words: what a first try needs no download for."""

from pathlib import Path

PATH = Path(__file__).with_name("papers.jsonl")
ADDRESS = "sample:"


def resolve(address: str) -> str:
    """The path behind `sample:`; any other address as it is."""
    return str(PATH) if address == ADDRESS else address
