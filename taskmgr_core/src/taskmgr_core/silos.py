"""Where a workspace keeps its things: places that follow from its name, in no other's.

The default workspace is where everything was before there were any. Nothing that is asked of
a store can forget to ask for one workspace only: the store of a workspace has nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE

FOLDER = "workspaces"
# MongoDB gives the name of a database, that of the platform's included, 63 bytes.
LONGEST_NAME = 32
DATABASE_SEPARATOR = "__"
DEFAULT_DATABASE = "taskmgr"

_NAME = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{0,{LONGEST_NAME - 2}}}[a-z0-9])?\Z")


def name_fault(name: str) -> str | None:
    """Why a name cannot be a workspace's; None when it can.

    It becomes the name of a folder, a database and a part of a bucket.
    """
    if _NAME.match(name):
        return None
    return (
        f"it must be 1 to {LONGEST_NAME} small letters, digits and hyphens, a letter or digit "
        "first and last"
    )


def no_workspace(name: str) -> NotFoundError:
    """What is said of a workspace that nobody has made; what others are called is not."""
    return NotFoundError(
        f"no workspace {name!r}; `taskmgr workspaces list` shows those that there are, "
        f"`taskmgr workspaces new {name}` makes it"
    )


def home_in(home: Path, name: str) -> Path:
    """The folder of a workspace, which is its home.

    Arguments:
        home: that of the platform.
        name: the workspace.
    """
    return home if name == DEFAULT_WORKSPACE else home / FOLDER / name


def database_in(url: str, name: str) -> str:
    """The MongoDB address of a workspace: another database of the same server.

    Arguments:
        url: that of the platform; empty where there is none.
        name: the workspace.
    """
    if not url or name == DEFAULT_WORKSPACE:
        return url
    parts = urlsplit(url)
    database = parts.path.removeprefix("/") or DEFAULT_DATABASE
    query = parts.query
    # The accounts of the server are in the platform's database, unless it is said where.
    if "@" in parts.netloc and "authsource" not in {
        option.lower() for option, _ in parse_qsl(query, keep_blank_values=True)
    }:
        source = quote(database if parts.path.removeprefix("/") else "admin", safe="")
        query = "&".join(filter(None, [query, f"authSource={source}"]))
    path = f"/{database}{DATABASE_SEPARATOR}{name}"
    return parts._replace(path=path, query=query).geturl()


def bucket_in(url: str, name: str) -> str:
    """The S3 address of a workspace: objects of the same bucket that begin otherwise.

    Arguments:
        url: that of the platform; empty where there is none.
        name: the workspace.
    """
    if not url or name == DEFAULT_WORKSPACE:
        return url
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    options["prefix"] = f"{options.get('prefix', '')}{FOLDER}/{name}/"
    return parts._replace(query=urlencode(options, safe="/")).geturl()


def broker_prefix(name: str) -> str:
    """What the names of a workspace's lists and channels begin with in Redis.

    No queue has a ``/`` in its name.
    """
    return "" if name == DEFAULT_WORKSPACE else f"{name}/"
