"""A disk that is really full, for scripts in processes of their own."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# A file system of one megabyte, in a mount namespace of its own: it goes with its process.
ON_A_SMALL_DISK = """
    import subprocess, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    home = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", home], check=True)
    from samples import *
    from taskmgr_core.errors import TaskmgrError
    from taskmgr_core.stores.sqlite import SqliteMetadata

    def fill(leave):
        ballast = home / "ballast"
        with ballast.open("wb", buffering=0) as opened:
            try:
                while True:
                    opened.write(bytes(4096))
            except OSError:
                opened.truncate(max(ballast.stat().st_size - leave, 0))
        return ballast

    def refused(operation):
        try:
            operation()
        except TaskmgrError as error:
            return str(error)
        raise AssertionError("there was room")
"""


def on_a_small_disk(tmp_path: Path, script: str) -> str:
    """What a script prints that has a full disk; skipped where none can be mounted."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare here")
    namespace = (
        [unshare, "--mount"] if os.geteuid() == 0 else [unshare, "--mount", "--map-root-user"]
    )
    home = tmp_path / "small"
    home.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(home)]
    if subprocess.run([*namespace, *mounted], capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    whole = textwrap.dedent(ON_A_SMALL_DISK) + textwrap.dedent(script)
    done = subprocess.run(
        [*namespace, sys.executable, "-W", "error", "-c", whole, home, Path(__file__).parent],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
