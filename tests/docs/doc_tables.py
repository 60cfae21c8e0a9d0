"""The tables of a page."""

from __future__ import annotations

import re
from pathlib import Path

from doc_pages import prose

_CELLS = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")


def rows(page: Path, heading: str) -> list[list[str]]:
    """The rows below a heading, without the table's head; ``\\|`` is a bar."""
    found: list[list[str]] = []
    inside, body = False, False
    for _, line in prose(page):
        if line.startswith("#"):
            inside, body = line.lstrip("# ") == heading, False
        elif inside and line.startswith("| ---"):
            body = True
        elif inside and body and line.startswith("|"):
            cells = _CELLS.split(line.strip().strip("|"))
            found.append([each.strip().replace("\\|", "|") for each in cells])
        elif inside and not line.startswith("|"):
            body = False
    assert found, f"{page.name} has no table below {heading!r}"
    return found


def code(cell: str) -> str:
    """The first piece of code in a cell."""
    found = _CODE.search(cell)
    assert found, f"there is no code in {cell!r}"
    return found[1]


def codes(cell: str) -> list[str]:
    """Every piece of code in a cell."""
    return _CODE.findall(cell)
