"""Make the picture of the terminal in README.md: `.venv/bin/python scripts/terminal_picture.py`.

It runs `make demo` on a photograph of one person as it is, in a home of its own that has
nothing published yet, and draws what that prints as SVG.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "demo.svg"
PICTURE = "examples/images/astronaut.png"
WIDTH = 100
# Hiding the cursor and the like; colours stay.
MOVEMENTS = re.compile(r"\x1b\[[?0-9;]*[A-Za-ln-z]")
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def run_demo(home: Path) -> str:
    """What the demonstration prints, with its colours."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TASKMGR")}
    colours = {"FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        [Path(sys.executable).with_name("taskmgr"), "demo", "--image", PICTURE],
        cwd=ROOT,
        env={**ours, **colours, "TASKMGR_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return MOVEMENTS.sub("", done.stdout).replace(str(ROOT), "~/taskmgr")


def draw(printed: str) -> str:
    """An SVG of a terminal window."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard"
    )
    console.print(Text("$ make demo IMAGE=" + PICTURE, style="bold"))
    console.print(Text.from_ansi(printed))
    svg = console.export_svg(title="taskmgr", unique_id="demo")
    # A reader's own font serves: a picture asks nobody for anything.
    return FONTS.sub("", svg).replace("Fira Code", "monospace")


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as home:
        TARGET.write_text(draw(run_demo(Path(home))))


if __name__ == "__main__":
    main()
