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

from taskmgr_core.settings import HOME_FOLDER, PREFIX, Settings

INTRODUCTION = """# Settings

A setting is taken from its environment variable, else from the file `config.toml` in the home, else
it has its default. `taskmgr config` shows each with its value and where that came from. This page
is written from the table of settings by `scripts/reference.py`, and a test keeps it current.

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


def settings_page() -> str:
    """The page."""
    rows = "\n".join(_rows())
    return f"{INTRODUCTION}\n{rows}\n{EXAMPLE}"


def _rows() -> Iterator[str]:
    yield "| setting | variable | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for field in attrs.fields(Settings):
        variable, text = f"{PREFIX}{field.name.upper()}", field.metadata["help"]
        yield f"| `{field.name}` | `{variable}` | {_shown(field.default)} | {text} |"


def _shown(default: Any) -> str:
    return "see below" if isinstance(default, Path) else f"`{default}`"


if __name__ == "__main__":
    sys.stdout.write(settings_page())
