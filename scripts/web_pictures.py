"""Take the pictures of the web page: ``scripts/web_pictures.py`` writes docs/images/web-*.jpg.

It runs the demonstration in a home of its own, serves the web page, and looks at it with the
Chromium of this machine. What runs took, and when, is another each time: look at the pictures
before they are committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TASKMGR = ROOT / ".venv" / "bin" / "taskmgr"
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "integration")]
# The width of the column of the documentation's site, and of README's at GitHub.
SIZE = {"width": 1016, "height": 1472}
LOW = {"width": 1016, "height": 640}
QUALITY = 82


def main() -> None:
    """Write every picture into a folder: docs/images, or the one that is given."""
    from browsing import CHROMIUM, WHY_NOT, chromium
    from rest_server import served

    if CHROMIUM is None:
        raise SystemExit(WHY_NOT)
    images = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "TASKMGR_HOME": str(home)}
        demo = [TASKMGR, "demo", "--out", Path(folder) / "out"]
        subprocess.run(demo, env=environment, check=True, stdout=subprocess.DEVNULL)
        with served(home, "--no-accounts") as server, chromium() as browser:
            site = server.url.removesuffix("/v1")
            (run,) = server.http.get("/runs", params={"limit": 1}).json()["runs"]
            page = browser.new_page(viewport=SIZE)
            page.goto(f"{site}/runs/{run['run_id']}")
            page.screenshot(path=images / "web-run.jpg", type="jpeg", quality=QUALITY)
            page.set_viewport_size(LOW)
            page.goto(page.locator("a[href^='/lineage/']").first.evaluate("each => each.href"))
            page.get_by_role("img").first.wait_for()
            page.screenshot(path=images / "web-lineage.jpg", type="jpeg", quality=QUALITY)


if __name__ == "__main__":
    main()
