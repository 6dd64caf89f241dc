"""What `footnoted serve` can be told, and the limits that hold where it is told nothing."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ConfigError

ACCESS_FILE = "access"
_LOCAL = {"localhost", "127.0.0.1", "::1", "[::1]"}


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes are in bytes unless named otherwise, times in seconds.

    `per_minute` is requests of one client; None stands for 120 where others can reach the server,
    and for no limit on loopback. `waiting` is how many questions may wait for one of the
    `concurrent` places.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 7860
    concurrent: int = 16
    waiting: int = 64
    per_minute: int | None = None
    total_seconds: float = 180.0
    drain_seconds: float = 30.0
    max_question: int = 2_000
    max_body: int = 1_000_000
    max_upload: int = 50_000_000
    read_only: bool = False
    access: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    behind_tls: bool = False
    log_text: bool = False

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def access_file(self) -> Path:
        return self.access or self.home / ACCESS_FILE

    @property
    def rate(self) -> int:
        """Requests a minute of one client; 0 is no limit."""
        if self.per_minute is None:
            return 0 if self.loopback else 120
        return self.per_minute

    def hosts(self) -> frozenset[str]:
        """Names a request may call this server by; empty where any will do.

        On loopback they are checked, or a page elsewhere could reach it under a name of its own
        that it lets point here (DNS rebinding).
        """
        if self.allowed_hosts or self.loopback:
            return frozenset({*_LOCAL, self.host.lower(), *map(str.lower, self.allowed_hosts)})
        return frozenset()


def is_loopback(host: str) -> bool:
    if host in _LOCAL:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(options: Options, *, known: int) -> None:
    """Refuse to serve others with nobody to ask for a password. Raises ConfigError."""
    alone = options.loopback and not options.behind_tls and not options.allowed_hosts
    if alone or known:
        return
    where = options.host if not options.loopback else "what a proxy or another name leads to"
    raise ConfigError(
        f"{where} can be reached by others, and {options.access_file} names nobody who may "
        f"come in. Run: footnoted serve --add-user NAME (a password) or --add-token NAME (a token "
        f"for programs), then this again; or serve on 127.0.0.1."
    )
