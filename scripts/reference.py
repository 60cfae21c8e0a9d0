"""Writes ``docs/reference/settings.md`` from the table of settings.

``.venv/bin/python scripts/reference.py > docs/reference/settings.md`` renews it;
a test demands that the page is what this prints.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.aliases import ALIASES
from taskmgr_core.settings import HOME_FOLDER, PREFIX, Settings

INTRODUCTION = """# Settings

A setting is taken from its environment variable, else from the file `config.toml` in the home, else
from a [variable of the servers' images](#variables-of-the-servers-images), else it has its default.
`taskmgr config` shows each with its value and where that came from. This page is written from the
table of settings by `scripts/reference.py`, and a test keeps it current.

Times are seconds, sizes MB of 1,000,000 bytes where the name ends in `_mb`, else bytes.
"""

EXAMPLE = f"""
## The home

The home is, in this order: the option `--home`, the variable `{PREFIX}HOME`, the nearest
`{HOME_FOLDER}` in this folder or one above it (`taskmgr init` makes one), the user's data folder.
It is the one setting that cannot stand in `config.toml`. What lies in it: [Files](files.md).

## The configuration file

`config.toml` holds names and values, nothing else:

<!-- file: {HOME_FOLDER}/config.toml -->
```toml
slots = 4
environments_mb = 50000
```

```console
$ TASKMGR_SLOTS=2 taskmgr config --json | grep -A 3 -E '"(slots|environments_mb)"'
      "name": "slots",
      "value": 2,
      "origin": "environment",
      "variable": "TASKMGR_SLOTS",
--
      "name": "environments_mb",
      "value": 50000,
      "origin": ".../{HOME_FOLDER}/config.toml",
      "variable": "TASKMGR_ENVIRONMENTS_MB",
```

A name that is not known, or a value that a setting cannot have, is an error of every command:

<!-- file: {HOME_FOLDER}/config.toml -->
```toml
slot = 4
```

```console
$ taskmgr list
error: .../{HOME_FOLDER}/config.toml: unknown setting 'slot'; did you mean 'slots'?
```

Each worker and client reads the settings when it starts. `heartbeat`, `lost_after` and
`lost_attempts` should be the same for all workers of a home.
"""

SERVERS = """## Variables of the servers' images

They stand in for an address that is not set: a server counts as set when its `_HOST`, or
`MINIO_ENDPOINT`, is. An address without a password gets the password, if it is of the same user: so
`config.toml` can have the address and the environment the secret. Any character may be in them;
in an address `/ : @ ? # %` are written as `%2F %3A %40 %3F %23 %25`.
"""

TASKS = """
`taskmgr config` names the variables that are in a value. It shows no password and no key: they are
`***` there, as in every error, log line and report.

## Queue, priority and timeout of tasks

What the plugin says of its task can be said otherwise, in `config.toml`:

```toml
[tasks.face_detection]
queue = "gpu"
priority = 8
timeout = 300
```

It holds for runs that are submitted from then on, by clients that read this file: a step is sent
to its queue before any worker hears of it. The variable `TASKMGR_TASKS` has the same as JSON. A
timeout can also be one worker's own, see
[Run on servers](../how-to/run-on-servers.md#a-file-for-each-worker).
"""


def settings_page() -> str:
    """The page."""
    rows = "\n".join(_rows())
    aliases = "\n".join(_alias_rows())
    return f"{INTRODUCTION}\n{rows}\n{EXAMPLE}\n{SERVERS}\n{aliases}\n{TASKS}"


def _alias_rows() -> Iterator[str]:
    yield "| variable | part of | meaning |"
    yield "| --- | --- | --- |"
    for each in ALIASES:
        yield f"| `{each.variable}` | `{each.setting}` | {each.help} |"


def _rows() -> Iterator[str]:
    yield "| setting | variable | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for field in attrs.fields(Settings):
        variable, text = f"{PREFIX}{field.name.upper()}", field.metadata["help"]
        yield f"| `{field.name}` | `{variable}` | {_shown(field.default)} | {text} |"


def _shown(default: Any) -> str:
    if isinstance(default, Path):
        return "see below"
    return f"`{default}`" if str(default) else ""


if __name__ == "__main__":
    sys.stdout.write(settings_page())
