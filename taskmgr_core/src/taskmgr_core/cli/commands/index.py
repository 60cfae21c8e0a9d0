"""``taskmgr index``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from taskmgr_core.cli.endings import say_note
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import NOTHING, Screen, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.index.files import Project
from taskmgr_core.index.server import Listening, checked_upstream, listening, serve
from taskmgr_core.index.tokens import Token, checked, kept_token, read_token
from taskmgr_core.report.formats import counted, size
from taskmgr_core.sdk_wheel import SDK
from taskmgr_core.uv_settings import read_pip_settings

DEFAULT_PORT = 8321


@click.group("index", cls=Group, examples=["taskmgr index serve", "taskmgr index list"])
def index_command() -> None:
    """A package index of the published wheels, for pip and uv.

    It has the wheel of every published plugin, and of taskmgr-plugins, on which
    they depend.
    """


@index_command.command(
    "serve",
    examples=[
        "taskmgr index serve",
        "taskmgr index serve --upstream https://index.example/simple",
    ],
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where it listens; 0 for a port that is free.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file with the token that clients need; by default the setting index_token, or "
    "index-token in the home, which is made.",
)
@click.option(
    "--upstream",
    default="",
    metavar="URL",
    help="The simple page of another index, to which clients are sent for names that are not "
    "published here and do not begin with taskmgr-.",
)
@click.option(
    "--behind-tls", is_flag=True, help="A proxy before it speaks TLS: any --host is allowed."
)
@click.pass_obj
def serve_command(
    session: Session, host: str, port: int, token_file: Path | None, upstream: str, behind_tls: bool
) -> None:
    """Serve the index over HTTP, until Ctrl-C or SIGTERM.

    Whoever has the token may read: as the password of any user, or as a Bearer
    token. Only this machine can reach it; for others put a proxy that speaks
    TLS before it.
    """
    upstream = checked_upstream(upstream) if upstream else ""
    token = _token(session, token_file)
    if token.readable_by_others:
        say_note(f"other users of this machine can read {token.path}; chmod 600 changes that")
    _warn_of_further_indexes()
    with session.index() as catalogue, listening(host, port, behind_tls=behind_tls) as place:
        names = catalogue.names()
        serve(
            catalogue,
            token,
            place,
            upstream,
            on_ready=lambda: _tell(session.screen, names, place, token, upstream),
        )


@index_command.command("list", examples=["taskmgr index list", "taskmgr index list --json"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the wheels that the index has."""
    with session.index() as catalogue:
        projects = catalogue.projects()
    if as_json:
        session.screen.json({"projects": [_view(each) for each in projects]})
        return
    if not projects:
        session.screen.line("nothing is published yet: taskmgr publish DIR")
        return
    shown = table("project", "version", "python", "size", "wheel", right=("size",))
    for project in projects:
        for each in project.files:
            shown.add_row(
                plain(project.name),
                plain(str(each.version)),
                plain(each.metadata.requires_python or NOTHING),
                size(each.wheel.size),
                plain(each.wheel.name),
            )
    session.screen.print(shown)


def _token(session: Session, given: Path | None) -> Token:
    settings = session.settings()
    if given is not None:
        return read_token(given)
    if settings.index_token:
        return checked(settings.index_token, "index_token")
    return kept_token(settings.index_token_file)


def _warn_of_further_indexes() -> None:
    """What pip's files say stays in force beside any variable that is pasted."""
    variables = {each: os.environ[each] for each in os.environ if not each.startswith("PIP_")}
    if read_pip_settings(variables).get("extra-index-url"):
        say_note(
            "the configuration of pip on this machine has an extra-index-url, and pip takes the "
            "highest version of all indexes, whoever put it there; for pip here, take that out, "
            "or set PIP_CONFIG_FILE=/dev/null"
        )


def _tell(
    screen: Screen, names: Sequence[str], place: Listening, token: Token, upstream: str
) -> None:
    """Where it is, and how pip and uv come to it; the token is in no line, so in no history."""
    screen.line(f"{counted(len(names), 'project')} on {place.url}, until Ctrl-C", "bold")
    if token.path is not None:
        screen.line(f"the token is in {token.path}{', made just now' if token.made else ''}")
    read = f"$(cat {shlex.quote(str(token.path))})" if token.path else "$TASKMGR_INDEX_TOKEN"
    wanted = next((name for name in names if name != SDK), "taskmgr-face-detection")
    address = place.url.replace("://", f"://taskmgr:{read}@", 1)
    screen.line()
    screen.line(f'export PIP_INDEX_URL="{address}" PIP_EXTRA_INDEX_URL=')
    screen.line('export UV_DEFAULT_INDEX="$PIP_INDEX_URL" UV_INDEX=')
    screen.line(f"pip install {wanted}")
    screen.line(f"uv pip install {wanted}")
    screen.line()
    screen.line(
        f"names that are not ours are looked for at {upstream}"
        if upstream
        else "names that are not ours are not found here; --upstream URL says where they are",
        "dim",
    )
    screen.out.file.flush()


def _view(project: Project) -> dict[str, object]:
    return {
        "name": project.name,
        "files": [
            {
                "filename": each.wheel.name,
                "version": str(each.version),
                "digest": each.wheel.digest,
                "size": each.wheel.size,
                "requires_python": each.metadata.requires_python,
                "metadata_digest": each.metadata.digest,
                "uploaded": each.uploaded,
                "yanked": each.yanked,
            }
            for each in project.files
        ],
    }
