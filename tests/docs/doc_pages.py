"""The pages of the documentation, taken apart: blocks with their directives, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(`{3,})([\w-]*)\s*$")
_COMMENT = re.compile(r"^<!-- ([\w ]+?)(?:: (.*?))? ?-->$")
_HEADING = re.compile(r"^#{1,6} (.*?)\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@attrs.frozen
class Block:
    """A fenced block.

    Attributes:
        page: the file it stands in.
        line: the number of its first line inside the fence, from 1.
        language: as written behind the fence.
        text: what stands in it, with a newline at the end.
        directives: the comments right above it, name -> text.
    """

    page: Path
    line: int
    language: str
    text: str
    directives: dict[str, str]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        known = self.page.is_relative_to(ROOT)
        return f"{self.page.relative_to(ROOT) if known else self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted(DOCS.rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page; a directive belongs to the block below it."""
    found: list[Block] = []
    directives: dict[str, str] = {}
    fence, language, start, inside = "", "", 0, list[str]()
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        opened = _FENCE.match(line)
        if fence:
            if line.strip() == fence:
                text = "".join(f"{each}\n" for each in inside)
                found.append(Block(page, start, language, text, directives))
                fence, directives = "", {}
            else:
                inside.append(line)
        elif opened:
            fence, language, start, inside = opened[1], opened[2], number + 1, []
        elif comment := _COMMENT.match(line):
            directives[comment[1]] = comment[2] or ""
        elif line.strip():
            directives = {}
    assert not fence, f"{page}: the block at line {start} has no end"
    return found


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page outside of its fenced blocks, each with its number from 1."""
    inside = False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for _, line in prose(page):
        heading = _HEADING.match(line)
        if heading:
            words = re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")
            count = found.get(words, 0)
            found[words] = count + 1
            if count:
                found[f"{words}-{count}"] = 1
    return set(found)


def links(page: Path) -> Iterator[tuple[int, str]]:
    """The targets of a page's links and pictures, each with the number of its line."""
    for number, line in prose(page):
        for found in _LINK.finditer(_CODE.sub("``", line)):
            yield number, found[1] or found[2]
