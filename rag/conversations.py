"""Conversations in SQLite, beside the papers: they outlive the process, with their footnotes.

A sentence cited once keeps its number to the end of the conversation; new ones count on. Each
call opens the file for itself, so one `Conversations` serves all threads, and several processes
may write at once. Nothing outside this file knows that it is SQLite.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rag._kinds import Kind, kinds
from rag._transcript import markdown
from rag.cite import render
from rag.errors import ConversationNotFound, LibraryError
from rag.export import write
from rag.library import Library
from rag.library._schema import readable
from rag.types import Answer, Citation, Nearest, Paper, Refusal, Sentence

ExportFormat = Literal["markdown", "json", "bibtex", "ris"]
FILE_NAME = "conversations.sqlite"
FORMAT = 1
TITLE = 80  # characters of the first question that name a conversation
UNTITLED = "New conversation"

_SCHEMA = """
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, created TEXT NOT NULL,
    updated TEXT NOT NULL
) STRICT;
CREATE INDEX conversations_owner ON conversations (owner, updated);
CREATE TABLE turns (
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    number INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (conversation, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE footnotes (
    conversation TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
    paper_id TEXT NOT NULL, quote TEXT NOT NULL, marker INTEGER NOT NULL,
    PRIMARY KEY (conversation, paper_id, quote)
) STRICT, WITHOUT ROWID;
"""
_DAMAGED = "The file is damaged: move it away; the papers are not touched by that."
_MARKER = re.compile(r"\[(\d+)\]")

Turns = list[dict[str, Any]]


class Listed(NamedTuple):
    """A conversation in a list; times are ISO 8601 in UTC, `turns` counts its questions."""

    id: str
    title: str
    created: str
    updated: str
    turns: int


class Conversations:
    """The conversations of one home. What another `owner` holds does not exist for this one.

    Methods raise ConversationNotFound for an id that the owner does not have, and LibraryError
    where the file cannot be read or written.
    """

    def __init__(self, home: Path) -> None:
        self.home = Path(home)
        self.path = self.home / FILE_NAME

    def create(self, owner: str = "", title: str = "") -> str:
        """Begin an empty conversation and return its id; its first question will name it."""
        name, now = secrets.token_hex(8), _now()
        with self._writing() as db:
            db.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, ?, ?)",
                (name, _whole(owner), _shorten(title), now, now),
            )
        return name

    def list(self, owner: str = "") -> Sequence[Listed]:
        """The owner's conversations, the one used last first."""
        if not self.path.is_file():
            return []
        query = """SELECT id, title, created, updated, (SELECT count(*) FROM turns WHERE
            conversation = id) FROM conversations WHERE owner = ? ORDER BY updated DESC, rowid DESC
            """
        with self._reading() as db:
            rows = db.execute(query, (_whole(owner),)).fetchall()
        return [Listed(i, title or UNTITLED, *rest) for i, title, *rest in rows]

    def turns(self, id: str, owner: str = "") -> Turns:
        """The answers so far as `Answer.to_dict` gives them, questions included, oldest first.

        They can be handed to `Chatbot.ask` as its `history`.
        """
        with self._reading() as db:
            _check(db, id, owner)
            rows = db.execute(
                "SELECT answer FROM turns WHERE conversation = ? ORDER BY number", (id,)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def append(self, id: str, answer: Answer, owner: str = "") -> Answer:
        """Store an answer; returned is the answer as stored, footnotes numbered on."""
        with self._writing() as db:
            title = _check(db, id, owner)
            answer = renumber(answer, self._numbering(db, id))
            text = _whole(json.dumps(answer.to_dict(), ensure_ascii=False))
            db.execute(
                "INSERT INTO turns SELECT ?, coalesce(max(number), 0) + 1, ? FROM turns "
                "WHERE conversation = ?",
                (id, text, id),
            )
            db.execute(
                "UPDATE conversations SET updated = ?, title = ? WHERE id = ?",
                (_now(), title or _shorten(answer.question), id),
            )
        return answer

    def rename(self, id: str, title: str, owner: str = "") -> None:
        """Give a conversation another title; an empty one lets its next question name it."""
        with self._writing() as db:
            _check(db, id, owner)
            db.execute("UPDATE conversations SET title = ? WHERE id = ?", (_shorten(title), id))

    def delete(self, id: str, owner: str = "") -> None:
        """Remove a conversation with its turns, also from the free pages of the file."""
        with self._writing() as db:
            _check(db, id, owner)
            db.execute("DELETE FROM conversations WHERE id = ?", (id,))

    def export(self, id: str, format: ExportFormat, owner: str = "") -> str:
        """The conversation as text, or the papers that it cites, and only those."""
        if format not in ("markdown", "json", "bibtex", "ris"):
            raise LibraryError(
                f"a conversation cannot be exported as '{format}'. "
                "Choose one of: markdown, json, bibtex, ris."
            )
        turns = self.turns(id, owner)
        if format == "markdown":
            return markdown(self._title(id, owner), turns)
        if format == "json":
            found = {"id": id, "title": self._title(id, owner), "turns": turns}
            return json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        papers, said = self._cited(turns)
        return "".join(write(papers, format, kinds=said))

    def _title(self, id: str, owner: str) -> str:
        with self._reading() as db:
            return _check(db, id, owner) or UNTITLED

    def _cited(self, turns: Turns) -> tuple[Sequence[Paper], Mapping[str, Kind]]:
        """The papers in order of first citation, and what their sources say that they are.

        One that was deleted is given as far as it is known.
        """
        cited = {c["paper_id"]: c for turn in turns for c in reversed(turn["citations"])}
        order = dict.fromkeys(c["paper_id"] for turn in turns for c in turn["citations"])
        stored: dict[str, Paper] = {}
        said: Mapping[str, Kind] = {}
        if order and (self.home / "library.sqlite").is_file():
            library = Library(self.home / "library.sqlite", read_only=True)
            try:
                stored, said = library.get(list(order)), kinds(library.heads(list(order)))
            finally:
                library.close()
        return [stored.get(name) or _paper_of(cited[name]) for name in order], said

    def _numbering(self, db: sqlite3.Connection, id: str) -> Callable[[Citation], int]:
        def number(citation: Citation) -> int:
            key = (id, _whole(citation.paper_id), _whole(citation.quote))
            db.execute(
                "INSERT OR IGNORE INTO footnotes SELECT ?, ?, ?, coalesce(max(marker), 0) + 1 "
                "FROM footnotes WHERE conversation = ?",
                (*key, id),
            )
            row = db.execute(
                "SELECT marker FROM footnotes WHERE (conversation, paper_id, quote) = (?, ?, ?)",
                key,
            ).fetchone()
            return int(row[0])

        return number

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._open() as db:
            yield db

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
            try:
                _prepare(db, self.path)
                yield db
            finally:
                db.close()
        except sqlite3.Error as error:
            raise readable(error, self.path, _DAMAGED) from error


def renumber(answer: Answer, number: Callable[[Citation], int]) -> Answer:
    """The answer with each footnote's marker replaced by what `number` makes of it."""
    new = {citation.marker: number(citation) for citation in answer.citations}
    sentences = tuple(
        replace(
            s,
            citations=tuple(new[marker] for marker in s.citations),
            against=tuple(new[marker] for marker in s.against),
        )
        for s in answer.sentences
    )
    if answer.sentences and answer.text == render(answer.sentences):
        text = render(sentences)  # exact, also where a quoted sentence holds brackets of its own
    else:
        text = _MARKER.sub(lambda m: f"[{new.get(int(m[1]), m[1])}]", answer.text)
    citations = tuple(replace(c, marker=new[c.marker]) for c in answer.citations)
    return replace(answer, text=text, sentences=sentences, citations=citations)


def answer_of(turn: Mapping[str, Any]) -> Answer:
    """The answer that a stored turn was: what `Answer.to_dict` wrote, read back."""
    known = {f.name: turn[f.name] for f in fields(Answer) if f.name in turn}
    parts = {
        "sentences": tuple(
            Sentence(
                **{**s, "citations": tuple(s["citations"]), "against": tuple(s.get("against", ()))}
            )
            for s in turn["sentences"]
        ),
        "citations": tuple(
            Citation(**{**c, "authors": tuple(c["authors"])}) for c in turn["citations"]
        ),
        "nearest": tuple(Nearest(**n) for n in turn["nearest"]),
        "refusal": Refusal(**turn["refusal"]) if turn["refusal"] else None,
    }
    return Answer(**{**known, **parts})


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")  # what is deleted is not to be found in the file
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        _make(db)
    elif version != FORMAT:
        raise LibraryError(
            f"{path} is of format {version}, this Footnoted reads format {FORMAT}. "
            "Upgrade Footnoted, or move the file away."
        )


def _make(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody was quicker
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


def _check(db: sqlite3.Connection, id: str, owner: str) -> str:
    """The title of a conversation of this owner's."""
    row = db.execute(
        "SELECT title FROM conversations WHERE id = ? AND owner = ?", (_whole(id), _whole(owner))
    ).fetchone()
    if row is None:
        raise ConversationNotFound(
            f"there is no conversation '{_whole(id)}'. Run: footnoted conversations list"
        )
    return str(row[0])


def _paper_of(citation: Mapping[str, Any]) -> Paper:
    return Paper(
        title=citation["title"], abstract="", id=citation["paper_id"],
        authors=tuple(citation["authors"]), year=citation["year"], venue=citation["venue"],
        url=citation["url"],
    )  # fmt: skip


def _shorten(title: str) -> str:
    words = " ".join(_whole(title).split())
    return words if len(words) <= TITLE else words[: TITLE - 1].rsplit(" ", 1)[0] + "…"


def _whole(text: str) -> str:
    """Text without lone surrogates, which a terminal can give and no database takes."""
    return text.encode("utf-8", "replace").decode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
