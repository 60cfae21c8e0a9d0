"""The tutorial, followed literally where there is nothing but the built wheels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from doc_pages import DOCS, ROOT, Block, blocks
from doc_sessions import WIDTH, Session

pytestmark = pytest.mark.long

TUTORIAL = DOCS / "tutorial.md"
UV = Path(sys.executable).with_name("uv")
# What a package manager needs to reach its index, and a cache.
PASSED = ("HOME", "LANG", "UV_", "PIP_", "SSL_", "HTTP_", "HTTPS_", "NO_", "http", "no_")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A terminal in a folder with the wheels; neither it nor its PATH knows this checkout."""
    folder, programs = tmp_path / "here", tmp_path / "bin"
    programs.mkdir()
    (programs / "uv").symlink_to(UV)
    (programs / "python3").symlink_to(os.path.realpath(sys.executable))
    for name in ("taskmgr_core", "taskmgr_plugins"):
        subprocess.run(
            [UV, "build", "--quiet", "--wheel", "--out-dir", folder / "wheels", ROOT / name],
            check=True,
            env={**os.environ, "UV_NO_CONFIG": "1"},
        )
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    return Session(
        folder,
        {
            **passed,
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "COLUMNS": WIDTH,
            "NO_COLOR": "1",
            "TERM": "xterm",
            "TTY_COMPATIBLE": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:schemathesis",
        },
    )


def asked(session: Session, command: str) -> Any:
    """What a command prints as JSON."""
    printed = session.shell(command)
    assert printed.status == 0, printed.err
    return json.loads("\n".join(printed.out))


def is_start_of_worker(block: Block) -> bool:
    """Whether a block starts the worker."""
    return block.directives.get("terminal") == "worker" and "worker start" in block.text


def workers_of_last_run(session: Session) -> tuple[Mapping[str, Any], set[str]]:
    """The last run, and the workers that did its steps."""
    last = asked(session, "taskmgr runs --json")["runs"][0]
    shown = asked(session, f"taskmgr show {last['run_id']} --json")
    return shown, {step["worker"] for step in shown["steps"]}


@pytest.mark.timeout(300)  # some seconds by itself, more where others work beside it
def test_tutorial_leads_from_the_wheels_to_a_result_of_a_worker(session: Session) -> None:
    """Its commands alone install, create, test, publish and run; a worker apart does the last."""
    page = blocks(TUTORIAL)
    starting = next(at for at, block in enumerate(page) if is_start_of_worker(block))
    try:
        for block in page[: starting + 1]:
            session.run(block)
        (worker,) = asked(session, "taskmgr worker status --json")["workers"]
        for block in page[starting + 1 :]:
            session.run(block)
        run, workers = workers_of_last_run(session)
        where = session.shell(
            "python -c 'import taskmgr_core, taskmgr_plugins; "
            "print(taskmgr_core.__file__, taskmgr_plugins.__file__)'"
        )
    finally:
        session.close()
    assert run["status"] == "succeeded"
    assert {"words": 2, "seconds": 0.5}.items() <= run["result"].items()
    assert workers == {worker["id"]}
    assert str(session.folder / ".venv") in where.out[0]
    assert not [value for value in session.variables.values() if str(ROOT) in value]
