"""The links of the documentation lead somewhere, and to every page one leads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_pages import DOCS, ROOT, anchors, links, pages


def _linking() -> list[Path]:
    others = [ROOT / "README.md", *ROOT.glob("plugins/*/README.md")]
    return [*pages(), *(each for each in others if each.exists())]


def _inside(target: str) -> bool:
    """Whether a target is a file of the repository; what is elsewhere is not asked for."""
    return not re.match(r"[a-z][a-z0-9+.-]*:", target)


def _broken(page: Path, target: str) -> str | None:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    if not found.exists():
        return "there is no such file"
    if anchor and anchor not in anchors(found):
        return f"there is no such heading; there are {sorted(anchors(found))}"
    return None


@pytest.mark.parametrize("page", _linking(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_page_lead_somewhere(page: Path) -> None:
    """Each file and each heading that a page links to is there."""
    broken = [
        f"line {line}: {target}: {problem}"
        for line, target in links(page)
        if _inside(target) and (problem := _broken(page, target)) is not None
    ]
    assert broken == []


def test_index_leads_to_every_page() -> None:
    """Whoever begins at the index finds all there is."""
    found = {
        (DOCS / target.partition("#")[0]).resolve()
        for _, target in links(DOCS / "index.md")
        if _inside(target)
    }
    assert [page.name for page in pages() if page not in found | {DOCS / "index.md"}] == []


def test_anchor_is_made_as_on_the_web(tmp_path: Path) -> None:
    """Letters in lower case, spaces as hyphens, code without its marks, doubles counted."""
    page = tmp_path / "page.md"
    page.write_text("# Of `@task` & more\n\n```sh\n# no heading\n```\n\n## Twice\n\n## Twice\n")
    assert anchors(page) == {"of-task--more", "twice", "twice-1"}
