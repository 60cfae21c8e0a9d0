"""The token that opens the index: where it comes from, and whether a request has it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import re
import secrets
from pathlib import Path

import attrs

from taskmgr_core.errors import SettingsError, with_advice

FEWEST_CHARACTERS = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~-]{{{FEWEST_CHARACTERS},512}}\Z")
_OTHERS = 0o077


@attrs.frozen
class Token:
    """What a client has to show.

    Attributes:
        secret: the token itself; never printed.
        path: the file that holds it; None where a setting does.
        made: whether it was made just now.
    """

    secret: str = attrs.field(repr=False)
    path: Path | None = None
    made: bool = False

    @property
    def readable_by_others(self) -> bool:
        """Whether other users of this machine can read its file."""
        return self.path is not None and bool(self.path.stat().st_mode & _OTHERS)


def checked(secret: str, place: str, path: Path | None = None) -> Token:
    """A token that was given.

    Arguments:
        secret: the token.
        place: where it was given, for the message.
        path: the file that it is in.

    Raises:
        SettingsError: it is too short, or has characters that no URL can have; the
            message does not tell it.
    """
    if not _TOKEN.match(secret):
        raise SettingsError(
            f"{place}: the token of {len(secret)} characters is not allowed; it must be at least "
            f"{FEWEST_CHARACTERS} letters, digits and any of -._~, as "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'` makes it"
        )
    return Token(secret, path)


def read_token(path: Path) -> Token:
    """The token in a file, without the white space around it.

    Raises:
        SettingsError: it cannot be read, or holds no token.
    """
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the token file {path} cannot be read: {error}; write a token into it, or leave "
            "the option away to have one made"
        ) from error
    return checked(secret, str(path), path)


def kept_token(path: Path) -> Token:
    """The token in a file, which is made, for nobody else to read, where it is not there.

    Raises:
        SettingsError: it can be neither read nor written, or holds no token.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_token(path)
    except OSError as error:
        said = f"the token file {path} cannot be written: {error}"
        raise SettingsError(with_advice(said, error)) from error
    secret = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(f"{secret}\n")
    return Token(secret, path, made=True)


def opens(header: str, token: Token) -> bool:
    """Whether a request may be answered; how long that takes says nothing of the token.

    Arguments:
        header: its ``Authorization``: the token as Bearer, or as the password of any user.
        token: what it has to show.
    """
    return hmac.compare_digest(_shown(header).encode(), token.secret.encode())


def _shown(header: str) -> str:
    scheme, _, said = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        return said.strip()
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError, ValueError):
            decoded = base64.b64decode(said.strip(), validate=True).decode()
            return decoded.partition(":")[2]
    return ""
