"""What the commands over HTTP share: the client, inputs that are sent, documents as tables."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from taskmgr_core.cli.screen import Screen
    from taskmgr_core.cli.session import Session
    from taskmgr_core.remote import RemoteClient

TOKEN = "TASKMGR_TOKEN"  # noqa: S105 - the variable's name
_FILES = frozenset({"Image", "File", "Array"})

Parameters = Mapping[str, Any]


@contextmanager
def client_of(session: Session, seconds: float | None = None) -> Iterator[RemoteClient]:
    """What asks the server that the command line names.

    Arguments:
        session: the command line.
        seconds: how long one answer may take; None for what is usual.
    """
    from taskmgr_core.remote import RemoteClient  # slow to import, and only these commands need it
    from taskmgr_core.remote.client import SECONDS

    token = os.environ.get(TOKEN, "")
    with RemoteClient(session.url, token, session.workspace, seconds or SECONDS) as client:
        yield client


def document_of(answer: Any) -> Any:
    """An answer as JSON."""
    return json.loads(json.dumps(attrs.asdict(answer), default=list))


def inputs_of(
    client: RemoteClient, name: str, words: Sequence[str], version: str | None
) -> dict[str, Any]:
    """The inputs as they were typed; what a file is taken for is read here and sent."""
    from taskmgr_core.cli.arguments import read_inputs
    from taskmgr_core.errors import NotFoundError
    from taskmgr_plugins.fields import File
    from taskmgr_plugins.schemas import schema_of

    try:
        fields: Sequence[Any] = client.pipeline(name).inputs
    except NotFoundError:
        fields = client.task(name, version).inputs
    simple: dict[str, Any] = {"string": {"type": "string"}}
    simple |= dict.fromkeys(_FILES, schema_of(File))
    schemas = {each.name: simple.get(each.type, {}) for each in fields}
    optional = [each.name for each in fields if not each.required]
    given = read_inputs(schemas, words, Path.cwd(), optional)
    files = {each.name for each in fields if each.type in _FILES}
    return {
        key: _file(value) if key in files and isinstance(value, str) else value
        for key, value in given.items()
    }


def _file(text: str) -> Any:
    from taskmgr_core.errors import InvalidValueError

    if text.startswith("sha256:"):
        return {"$artifact": text}
    path = Path(text).expanduser()
    if not path.is_file():
        raise InvalidValueError(f"the file {text} does not exist, or is no file")
    return path


def show_table(
    screen: Screen, columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str
) -> None:
    """Documents as a table, or what is said where there are none."""
    from taskmgr_core.cli.screen import plain, table

    if not rows:
        screen.line(nothing)
        return
    shown = table(*columns)
    status = columns.index("status") if "status" in columns else None
    for row in rows:
        shown.add_row(
            *(screen.status(each) if at == status else plain(each) for at, each in enumerate(row))
        )
    screen.print(shown)


def ago_of(moment: str) -> str:
    """How long ago a moment of a document was."""
    from taskmgr_core.cli.screen import ago

    return ago(min(datetime.fromisoformat(moment).timestamp(), time.time()))
