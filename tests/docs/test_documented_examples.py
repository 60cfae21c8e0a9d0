"""Every example of the documentation runs and does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_pages import DOCS, blocks, pages
from doc_sessions import Session

CHECKOUT = "<!-- in a checkout -->"
# Written from the commands, by a test of its own; what it shows are their usages.
WRITTEN = DOCS / "reference" / "cli.md"
# Followed from the built wheels, by a test of its own.
TUTORIAL = DOCS / "tutorial.md"


def _with_blocks() -> list[Path]:
    return [page for page in pages() if page not in (WRITTEN, TUTORIAL) and blocks(page)]


@pytest.mark.parametrize("page", _with_blocks(), ids=lambda page: str(page.relative_to(DOCS)))
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """The blocks of a page run one after the other, and print what stands there."""
    session = Session.begin(tmp_path)
    try:
        if CHECKOUT in page.read_text():
            session.check_out()
        for block in blocks(page):
            session.run(block)
    finally:
        session.close()
