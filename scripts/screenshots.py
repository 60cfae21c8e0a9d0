"""Draw the pictures of the dashboard: ``scripts/screenshots.py`` writes docs/images/dashboard/.

They show the home of tests/tui, with recorded runs at fixed times, and are compared with
what the dashboard shows by a test.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images" / "dashboard"
sys.path.insert(0, str(ROOT / "tests" / "tui"))


def main() -> None:
    """Write every picture."""
    from recorded_home import filled
    from scenes import pictures

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = filled(Path(folder))
        for name, picture in pictures(home.watcher()).items():
            (FOLDER / f"{name}.svg").write_text(picture)
        home.client.close()


if __name__ == "__main__":
    main()
