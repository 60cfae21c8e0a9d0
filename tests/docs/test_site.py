"""The documentation becomes a site."""

import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import ROOT, pages

pytestmark = pytest.mark.long


@pytest.mark.timeout(100)
def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Every page is built and in the sidebar, and nothing is doubtful: no heading, no link."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", tmp_path / "doctrees", ROOT / "docs", tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = {path.relative_to(tmp_path / "site") for path in tmp_path.glob("site/**/*.html")}
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in pages()}
    assert sources - built == set()
