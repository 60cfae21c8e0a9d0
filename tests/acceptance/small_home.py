"""A home on a disk of its own that is small enough to fill."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from command_line import CommandLine

# In a mount namespace of its own the file system goes with its process.
BEGINNING = """
    import json, os, shutil, subprocess, sys
    from pathlib import Path
    published, folder, megabytes = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sys.path[:0] = sys.argv[4:]
    settings = json.load(sys.stdin)
    from command_line import CommandLine
    disk = folder / "disk"
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", disk]
    subprocess.run(mounted, check=True)
    shutil.copytree(published, disk / "home", symlinks=True)
    taskmgr = CommandLine(disk / "home", folder, settings)

    def fill():
        with (disk / "ballast").open("wb", buffering=0) as opened:
            try:
                while True:
                    opened.write(bytes(4096))
            except OSError:
                pass

    def write_protect():
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
"""


def on_a_small_disk(published: CommandLine, folder: Path, script: str, megabytes: int = 24) -> str:
    """What a script prints whose home is a copy on a small disk; skipped where there is none."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare here")
    root = os.geteuid() == 0
    namespace = [unshare, "--mount"] if root else [unshare, "--mount", "--map-root-user"]
    disk = folder / "disk"
    scripts = Path(__file__).parent
    disk.mkdir()
    probe = [*namespace, "mount", "-t", "tmpfs", "none", str(disk)]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(
        [
            *(*namespace, sys.executable, "-c"),
            textwrap.dedent(BEGINNING) + textwrap.dedent(script),
            *(published.home, folder, str(megabytes), scripts, scripts.parent),
        ],
        input=json.dumps(dict(published.settings)),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
