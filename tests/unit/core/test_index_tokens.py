"""The token of the package index."""

import stat
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import SettingsError
from taskmgr_core.index.server import checked_upstream, is_loopback, listening
from taskmgr_core.index.tokens import Token, checked, kept_token, opens, read_token

TOKEN = Token("abcdefghijklmnop-._~")


def basic(text: str) -> str:
    """A header as clients make it from user and password."""
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "open_"),
    [
        (f"Bearer {TOKEN.secret}", True),
        (f"bearer  {TOKEN.secret} ", True),
        (basic(f"anybody:{TOKEN.secret}"), True),
        (basic(f":{TOKEN.secret}"), True),
        (basic(TOKEN.secret), False),
        (basic(f"{TOKEN.secret}:"), False),
        (basic(f"a:{TOKEN.secret}x"), False),
        (f"Digest {TOKEN.secret}", False),
        (TOKEN.secret, False),
        ("Basic", False),
        ("", False),
    ],
)
def test_token_opens_as_password_or_bearer(header: str, open_: bool) -> None:
    """Of any user, or alone; nothing else does, and not part of it."""
    assert opens(header, TOKEN) is open_


@given(st.text(max_size=40) | st.text(max_size=30).map("Basic {}".format) | st.text().map(basic))
def test_any_other_header_is_refused(header: str) -> None:
    """Whatever is sent, it is answered."""
    assert not opens(header, TOKEN)


def test_token_is_made_once_for_its_owner(tmp_path: Path) -> None:
    """The file that is made nobody else can read, and it is read again."""
    path = tmp_path / "home" / "index-token"
    made = kept_token(path)
    assert (made.made, stat.S_IMODE(path.stat().st_mode)) == (True, 0o600)
    assert kept_token(path).secret == made.secret == read_token(path).secret
    assert not made.readable_by_others
    assert made.secret not in repr(made)
    path.chmod(0o640)
    assert read_token(path).readable_by_others


@pytest.mark.parametrize(
    "secret", ["", "fifteen-letters", "with a blank in it", "x" * 15 + "\u00e4"]
)
def test_weak_token_is_refused_untold(tmp_path: Path, secret: str) -> None:
    """Too short, or not what a URL can have; the message does not repeat it."""
    (tmp_path / "token").write_text(secret)
    for give in (lambda: checked(secret, "index_token"), lambda: read_token(tmp_path / "token")):
        with pytest.raises(SettingsError, match="characters is not allowed; it must be") as refused:
            give()
        assert not secret or secret not in str(refused.value)


def test_token_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A file that was named is not made: it may be misspelt."""
    with pytest.raises(SettingsError, match="cannot be read"):
        read_token(tmp_path / "token")
    with pytest.raises(SettingsError, match="cannot be written"):
        kept_token(Path("/proc/nowhere/token"))


@pytest.mark.parametrize(
    ("host", "only_here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("b.test", False), ("", False)],  # noqa: S104
)  # fmt: skip
def test_loopback_is_told_from_the_network(host: str, only_here: bool) -> None:
    """What other machines can reach is known, and is not listened at."""
    assert is_loopback(host) is only_here
    if not only_here:
        with (
            pytest.raises(SettingsError, match="Put a proxy that speaks TLS before it"),
            listening(host, 0),
        ):
            pass


def test_port_that_is_taken_is_refused() -> None:
    """The message has the address and what to do; port 0 is any that is free."""
    with listening("127.0.0.1", 0) as place:
        port = place.socket.getsockname()[1]
        assert place.url == f"http://127.0.0.1:{port}/simple/"
        with (
            pytest.raises(SettingsError, match=f"--port {port}: .* give another"),
            listening("127.0.0.1", port),
        ):
            pass


@pytest.mark.parametrize(
    "url", ["", "index.test", "file:///index", "https://", "https://a?b", "ftp://a"]
)
def test_upstream_that_is_no_index_is_refused(url: str) -> None:
    """Only addresses of the web; what it would tell every client is not repeated."""
    with pytest.raises(SettingsError, match="--upstream"):
        checked_upstream(url)
    assert checked_upstream("https://index.test/simple/") == "https://index.test/simple"
    with pytest.raises(SettingsError) as refused:
        checked_upstream("https://me:secret@index.test/simple")
    assert "secret" not in str(refused.value)
