from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigError
from ui.access import SESSION_SECONDS, Access, Sessions, Window, hash_password, verify_password
from ui.options import Options, check_bind


def test_a_password_is_stored_as_a_hash_with_its_own_salt() -> None:
    first, second = hash_password("correct horse"), hash_password("correct horse")
    assert first != second and "correct" not in first
    assert verify_password("correct horse", first)
    assert not verify_password("correct horsf", first)


@pytest.mark.parametrize("line", ["", "x", "scrypt$1$1$1$zz$zz", "plain$secret", "a$b$c$d$e$f"])
def test_a_damaged_hash_lets_nobody_in(line: str) -> None:
    assert not verify_password("secret", line)


def test_the_file_remembers_users_and_tokens_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "access"
    access = Access(path)
    access.add_user("ada", "a long password")
    token = access.add_token("script")
    again = Access(path)
    assert again.check_password("ada", "a long password")
    assert not again.check_password("ada", "another password")
    assert not again.check_password("nobody", "a long password")
    assert again.user_of_token(token) == "script"
    assert again.user_of_token(token[:-1]) is None
    assert path.stat().st_mode & 0o077 == 0
    assert token not in path.read_text() and "a long password" not in path.read_text()


@pytest.mark.parametrize(
    ("name", "password"),
    [("ada", "short"), ("a b", "long enough password"), ("", "x" * 12), ("local", "x" * 12)],
)
def test_names_and_passwords_that_will_not_do_are_refused(
    tmp_path: Path, name: str, password: str
) -> None:
    with pytest.raises(ConfigError):
        Access(tmp_path / "access").add_user(name, password)
    assert not (tmp_path / "access").exists()


def test_a_line_that_is_not_ours_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "access").write_text("ada:secret\n")
    with pytest.raises(ConfigError, match=r"line 1.*--add-user"):
        Access(tmp_path / "access")


def test_a_session_ends_and_outlives_a_restart(tmp_path: Path) -> None:
    cookie = Sessions.of_home(tmp_path).issue("ada")
    assert Sessions.of_home(tmp_path).read(cookie) == "ada"
    secret = (tmp_path / "session-secret").read_text().encode()
    late = Sessions(secret, now=lambda: 10**10 + SESSION_SECONDS)
    assert late.read(cookie) is None
    assert Sessions(b"another secret").read(cookie) is None


@given(st.text(), st.integers(0, 200), st.characters())
def test_a_changed_session_is_no_session(junk: str, at: int, char: str) -> None:
    sessions = Sessions(b"secret")
    cookie = sessions.issue("ada")
    changed = cookie[: at % len(cookie)] + char + cookie[at % len(cookie) + 1 :]
    assert sessions.read(junk) is None
    assert changed == cookie or sessions.read(changed) in (None, "ada")
    assert sessions.read(sessions.issue("ada|9999999999")) is not None


def test_a_window_counts_and_forgets() -> None:
    now = 0.0
    window = Window(2, 10, now=lambda: now)
    for _ in range(2):
        assert window.wait("a") == 0
        window.add("a")
    assert window.wait("a") == 10
    assert window.wait("b") == 0
    now = 10.0
    assert window.wait("a") == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "papers.example.org"])
def test_others_are_served_only_if_somebody_is_known(tmp_path: Path, host: str) -> None:
    options = Options(home=tmp_path, host=host)
    with pytest.raises(ConfigError, match="--add-user"):
        check_bind(options, known=0)
    check_bind(options, known=1)
    check_bind(Options(home=tmp_path), known=0)


@pytest.mark.parametrize("given", [{"behind_tls": True}, {"allowed_hosts": ("a.example",)}])
def test_nor_through_a_proxy_on_this_machine(tmp_path: Path, given: Any) -> None:
    with pytest.raises(ConfigError, match="--add-user"):
        check_bind(Options(home=tmp_path, **given), known=0)
