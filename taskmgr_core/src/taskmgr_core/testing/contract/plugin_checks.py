"""The contracts of a plugin as a whole."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.testing.contract import inside
from taskmgr_core.testing.contract.broken import ContractBrokenError
from taskmgr_core.testing.contract.names import LISTING
from taskmgr_core.testing.contract.stage import Stage

_SECONDS = 120.0
_LAST_LINES = 12


def builds(stage: Stage) -> None:
    """The wheel builds, and installs from its lock without a network."""
    stage.installed()


def listing(stage: Stage) -> None:
    """What lists tasks, and what starts a Python, imports nothing of the plugin.

    Raises:
        ContractBrokenError: it does.
    """
    imported = asked(stage, kind="listing")["imported"]
    if imported:
        raise ContractBrokenError(
            LISTING,
            seen=f"listing the tasks imported {', '.join(imported)}",
            allowed="the tasks are listed from the entry points, and nothing of the plugin or of "
            "its dependencies is imported by that",
            change="remove the .pth file, or the sitecustomize.py, that imports it at each start "
            "of Python: from the wheel, or with the dependency that brings it",
        )


def announces(stage: Stage) -> None:
    """The plugin can be imported, and announces the tasks of its entry points."""
    stage.tasks()


def asked(stage: Stage, **question: Any) -> Any:
    """What ``inside.py`` answers in the plugin's virtualenv.

    Raises:
        TaskmgrError: it cannot answer, with the last lines that it wrote.
    """
    done = subprocess.run(
        [stage.installed().environment.python, "-I", Path(inside.__file__)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        cwd=stage.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(stage.folder), "LANG": "C.UTF-8"},
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith(inside.MARK)]
    if done.returncode or not answers:
        last = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise TaskmgrError(
            f"the Python of the plugin's virtualenv, asked for its {question['kind']}, ended with "
            f"{done.returncode}:\n{last}"
        )
    return json.loads(answers[-1].removeprefix(inside.MARK))
