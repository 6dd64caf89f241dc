"""Every error that Footnoted raises on purpose. Each message names the fix.

RagError
├── ConfigError            an unknown key, a value of the wrong kind
├── SourceError            a source of papers
│   ├── SourceNotFound     no such file, folder or connector
│   ├── SourceUnreadable   empty, binary, or of a format that nothing here reads
│   └── SourceUnreachable  no network, no reply in time, a quota that is used up
├── LibraryError           the home cannot be opened or written
│   ├── HomeLocked         another process is writing
│   └── ConversationNotFound  no such conversation, or it is another's
├── IndexFailure           the indexes derived from the library
│   ├── IndexMissing       nothing has been indexed yet
│   └── IndexMismatch      made by another model, chunker or format
├── EmbeddingError         the embedding model is missing or not the one recorded
└── BackendError           whoever writes the answer
    ├── BackendNotReady    no key, no model name, a package that is not installed
    ├── BackendUnreachable no connection, no reply in time
    ├── BackendRefused     the server answered with an error (`status` holds the HTTP code)
    └── BackendInterrupted the stream broke off after text had arrived; what arrived is kept
"""

from __future__ import annotations


class RagError(Exception):
    """Base of them all: catch this to catch every failure that has a known cause."""


class ConfigError(RagError):
    """Raised when settings are loaded, never later."""


class SourceError(RagError):
    """A source of papers cannot be read at all; a bad record in it is a `Rejected` instead."""


class SourceNotFound(SourceError):
    """No such file, folder or connector."""


class SourceUnreadable(SourceError):
    """Empty, binary, or of a format that no reader knows."""


class SourceUnreachable(SourceError):
    """A server does not answer, or not now: the same command goes on where it stopped."""


class LibraryError(RagError):
    """The home cannot be opened or written."""


class HomeLocked(LibraryError):
    """Another process is writing to this home."""


class ConversationNotFound(LibraryError):
    """No conversation has this id, or it belongs to somebody else."""


class IndexFailure(RagError):
    """The indexes of a home cannot be used."""


class IndexMissing(IndexFailure):
    """The home has no index yet."""


class IndexMismatch(IndexFailure):
    """The index was made by another model, chunker or format than the settings ask for."""


class EmbeddingError(RagError):
    """The embedding model is missing, damaged, or not the one recorded."""


class BackendError(RagError):
    """The backend failed; `status` is the HTTP status where there was one."""

    status: int | None = None


class BackendNotReady(BackendError):
    """No key, no model name, or a package that is not installed."""


class BackendUnreachable(BackendError):
    """No connection, or no reply within the limits."""


class BackendRefused(BackendError):
    """The server answered with an error."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BackendInterrupted(BackendError):
    """The stream broke off after text had arrived; what arrived is kept.

    `usage` is the `Usage` that was told before, where one was.
    """

    usage: object = None
