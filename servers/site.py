"""Where a server lives: its folder, its ports, its account."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import attrs

_ACCOUNT = "account.json"


@attrs.frozen
class Account:
    """Who may use a server.

    Attributes:
        user: the name, or the access key.
        password: the password, or the secret key.
    """

    user: str
    password: str = attrs.field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> Account:
        """The account of a folder, made at the first time: its data stays readable."""
        path = folder / _ACCOUNT
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            # A name that occurs nowhere else, so that a test can look for it in messages.
            made = {"user": f"user{secrets.token_hex(6)}", "password": secrets.token_hex(20)}
            write_private(path, json.dumps(made))
        return cls(**json.loads(path.read_text()))


@attrs.frozen
class Site:
    """Where a server lives.

    Attributes:
        folder: for its data, its settings and its log.
        ports: as many as its recipe asks for; clients use the first.
        account: who may use it.
    """

    folder: Path
    ports: tuple[int, ...]
    account: Account

    @property
    def port(self) -> int:
        """The port for clients."""
        return self.ports[0]

    @property
    def data(self) -> Path:
        """The folder for its data, which exists."""
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        return data


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, also not for a moment."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
    new.replace(path)
