"""Who may come in: a file of users and tokens, signed sessions, and a limit on attempts.

The file holds a line each: `user NAME scrypt$N$r$p$salt$hash` or `token NAME sha256$hash`.
Passwords are hashed with scrypt; a token is 256 random bits, so one hash of it is enough.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from rag.errors import ConfigError, LibraryError

SESSION_SECONDS = 14 * 24 * 3600
MIN_PASSWORD = 10
_COST, _BLOCK, _PARALLEL = 2**15, 8, 1
_MEMORY = 128 * _BLOCK * _COST * 2
_NAME = re.compile(r"[\w.@-]{1,64}")


def hash_password(password: str, salt: bytes | None = None) -> str:
    salt = salt or secrets.token_bytes(16)
    digest = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${salt.hex()}${digest.hex()}"


def verify_password(password: str, stored: str) -> bool:
    """Whether the password is the one hashed; False too where the line is not one of ours."""
    try:
        kind, cost, block, parallel, salt, digest = stored.split("$")
        known = bytes.fromhex(digest)
        found = _scrypt(password, bytes.fromhex(salt), int(cost), int(block), int(parallel))
    except ValueError:
        return False
    return kind == "scrypt" and hmac.compare_digest(found, known)


class Access:
    """The people and programs that a file names. An absent file names nobody."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._users: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        for number, line in enumerate(_lines(path), 1):
            self._read(line.split(), number)

    def __len__(self) -> int:
        return len(self._users) + len(self._tokens)

    def check_password(self, name: str, password: str) -> bool:
        # The same work for a name that is unknown, so that the time says nothing about names.
        stored = self._users.get(name)
        right = verify_password(password, stored or _NOBODY)
        return right and stored is not None

    def user_of_token(self, token: str) -> str | None:
        return self._tokens.get(_digest(token))

    def knows(self, name: str) -> bool:
        return name in self._users

    def add_user(self, name: str, password: str) -> None:
        """Add or replace a user. Raises ConfigError for a name or password that will not do."""
        if len(password) < MIN_PASSWORD:
            raise ConfigError(f"a password needs at least {MIN_PASSWORD} characters")
        self._users[_checked(name)] = hash_password(password)
        self._save()

    def add_token(self, name: str) -> str:
        """Make a token for a program and return it: it is stored only as a hash."""
        token = secrets.token_urlsafe(32)
        self._tokens[_digest(token)] = _checked(name)
        self._save()
        return token

    def _read(self, parts: list[str], number: int) -> None:
        if len(parts) == 3 and parts[0] == "user":
            self._users[parts[1]] = parts[2]
        elif len(parts) == 3 and parts[0] == "token":
            self._tokens[parts[2].removeprefix("sha256$")] = parts[1]
        elif parts and not parts[0].startswith("#"):
            raise ConfigError(
                f"{self.path}, line {number}: not 'user NAME HASH' or 'token NAME HASH'. "
                f"Write it with: footnoted serve --add-user NAME"
            )

    def _save(self) -> None:
        lines = [f"user {name} {stored}" for name, stored in self._users.items()]
        lines += [f"token {name} sha256${digest}" for digest, name in self._tokens.items()]
        write_private(self.path, "".join(f"{line}\n" for line in lines))


class Sessions:
    """Signed cookies: `name|expiry|signature`. The secret stays in the home, so they outlive it."""

    def __init__(self, secret: bytes, now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now = now

    @classmethod
    def of_home(cls, home: Path) -> Sessions:
        path = home / "session-secret"
        if not path.is_file():
            write_private(path, secrets.token_hex(32))
        return cls(path.read_text(encoding="ascii").strip().encode())

    def issue(self, name: str) -> str:
        body = f"{name}|{int(self._now()) + SESSION_SECONDS}"
        return base64.urlsafe_b64encode(f"{body}|{self._sign(body)}".encode()).decode()

    def read(self, cookie: str) -> str | None:
        """The name, None where the cookie is not ours, was changed, or is too old."""
        try:
            text = base64.urlsafe_b64decode(cookie.encode()).decode()
            body, _, signature = text.rpartition("|")
            name, _, expiry = body.rpartition("|")
            fresh = int(expiry) > self._now()
        except ValueError:
            return None
        right = hmac.compare_digest(signature.encode(), self._sign(body).encode())
        return name if right and fresh else None

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()


class Window:
    """At most `limit` events of one key in `seconds`; a limit of 0 is none. Thread-safe."""

    def __init__(
        self, limit: int, seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._seconds, self._now = limit, seconds, now
        self._events: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Seconds until this key may go on, 0 where it may now."""
        with self._lock:
            events = self._recent(key)
            full = self._limit and len(events) >= self._limit
            return max(events[0] + self._seconds - self._now(), 0.0) if full else 0.0

    def add(self, key: str) -> None:
        with self._lock:
            if len(self._events) > 10_000:  # a flood of keys must not fill the memory
                self._events = {k: e for k in list(self._events) if (e := self._recent(k))}
            self._events.setdefault(key, deque(maxlen=self._limit or 1)).append(self._now())

    def forget(self, key: str) -> None:
        with self._lock:
            self._events.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        events = self._events.get(key) or deque()
        while events and events[0] <= self._now() - self._seconds:
            events.popleft()
        return events


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        raise LibraryError(f"{path} cannot be written ({error.strerror}).") from error


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY, dklen=32)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the access file {path} cannot be read: {error}") from error


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name == "local":
        raise ConfigError(
            f"'{name}' is no name: use letters, digits and . _ @ -, at most 64, and not 'local'"
        )
    return name


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


_NOBODY = f"scrypt${_COST}${_BLOCK}${_PARALLEL}${'00' * 16}${'00' * 32}"
