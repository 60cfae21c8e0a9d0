"""``taskmgr keys``."""

from __future__ import annotations

import getpass
import re
import socket

import click
from rich.table import Table

from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.signatures_view import key_view
from taskmgr_core.signing.keyring import Keyring, KnownKey


@click.group(
    "keys",
    cls=Group,
    examples=["taskmgr keys new ada", "taskmgr keys list", "taskmgr keys revoke ada"],
)
def keys_command() -> None:
    """The keys that publications are signed with.

    Publish signs with the key of this machine, if it has one. Workers verify
    with the keys that are trusted on theirs, as the setting signatures says.
    """


@keys_command.command("new", examples=["taskmgr keys new", "taskmgr keys new ada"])
@click.argument(
    "name", required=False, help="What to call it; by default user@machine.", metavar="[NAME]"
)
@json_option
@click.pass_obj
def new_command(session: Session, name: str | None, as_json: bool) -> None:
    """Make a key to sign with, and trust it here.

    Prints its public key, one line that is given to those who run workers.
    The private key stays in the folder of the keys, readable by you alone.
    """
    keyring = _keyring(session)
    key = keyring.new(name or _own_name())
    if as_json:
        session.screen.json(key_view(key))
        return
    screen = session.screen
    screen.line(plain(f"the key {key.shown} is made and trusted here; publish signs with it"))
    screen.line(plain(f"its private part is {keyring.folder / key.id}.pem: give it to nobody"))
    screen.line("its public key, for `taskmgr keys trust` where workers run:")
    screen.line(plain(f"  {key.line}"))


@keys_command.command(
    "trust",
    examples=[
        "taskmgr keys trust ada.pub",
        "taskmgr keys trust taskmgr-ed25519 nQ3V...= ada",
        "taskmgr keys trust ada.pub --name ada-laptop",
    ],
)
@click.argument(
    "key",
    nargs=-1,
    required=True,
    metavar="FILE_OR_LINE...",
    help="A file with the public key, or the line itself, with or without quotes.",
)
@click.option("--name", default="", help="What to call it here; by default what the line says.")
@click.option("--again", is_flag=True, help="Trust it although it was revoked here.")
@json_option
@click.pass_obj
def trust_command(
    session: Session, key: tuple[str, ...], name: str, again: bool, as_json: bool
) -> None:
    """Trust somebody's public key on this machine.

    Get the line from its owner, not from where the tasks are stored, and
    compare the id that is printed with what the owner says.
    """
    known = _keyring(session).trust(" ".join(key), name, again=again)
    if as_json:
        session.screen.json(key_view(known))
    else:
        session.screen.line(plain(f"the key {known.shown} is trusted here"))


@keys_command.command("list", examples=["taskmgr keys list", "taskmgr keys list --json"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the keys that are trusted and revoked here, and those that sign."""
    keyring = _keyring(session)
    known, faults = keyring.known()
    if as_json:
        session.screen.json(
            {"keys": [key_view(each) for each in known], "faults": [str(each) for each in faults]}
        )
        return
    screen = session.screen
    if known:
        screen.print(_listed(known))
    elif not faults:
        screen.line(plain(f"no keys in {keyring.folder}; `taskmgr keys new` makes one"))
    for each in faults:
        screen.line(plain(f"! {each}", "yellow"))
    own = [each for each in known if each.signs and each.state == "trusted"]
    if own:
        screen.line()
        screen.line("public keys, for `taskmgr keys trust` where workers run:")
        for key in own:
            screen.line(plain(f"  {key.line}"))


@keys_command.command(
    "revoke",
    examples=["taskmgr keys revoke ada", "taskmgr keys revoke ada --reason 'laptop stolen'"],
)
@click.argument("key", metavar="ID_OR_NAME", help="The key.")
@click.option("--reason", default="", help="Why, for the message to those who meet it.")
@json_option
@click.pass_obj
def revoke_command(session: Session, key: str, reason: str, as_json: bool) -> None:
    """Trust a key no more on this machine.

    All that it has signed is refused, whenever that was. Workers that run
    notice it within half a minute. It has to be revoked on each machine.
    """
    known = _keyring(session).revoke(key, reason)
    if as_json:
        session.screen.json(key_view(known))
        return
    why = f": {known.comment}" if known.comment else ""
    session.screen.line(plain(f"the key {known.shown} is revoked here since {known.since}{why}"))


def _keyring(session: Session) -> Keyring:
    return session.verifier().keyring


def _own_name() -> str:
    """Who makes the key and where, as far as a name may say it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "user"
    said = re.sub(r"[^A-Za-z0-9._@+-]", "-", f"{user}@{socket.gethostname()}")
    return said.lstrip("._@+-")[:64] or "key"


def _listed(known: list[KnownKey]) -> Table:
    shown = table(
        "key", "name", "state", "since", "signs", "reason", whole=("key", "name", "since")
    )
    for each in known:
        shown.add_row(
            plain(each.id, "cyan"),
            plain(each.name),
            plain(each.state, "green" if each.state == "trusted" else "red"),
            plain(each.since),
            plain("here" if each.signs else ""),
            plain(each.comment),
        )
    return shown
