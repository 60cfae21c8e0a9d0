"""Runs ``pytest --taskmgr-contract`` as an author does, and reads what came of each contract."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import attrs

(ENTRY,) = importlib.metadata.entry_points(group="pytest11", name="taskmgr-contract")
PLUGIN = ENTRY.value


@attrs.frozen
class Checked:
    """What came of a run.

    Attributes:
        outcomes: scope (a task, or the distribution) and contract -> passed, skipped, failed.
        told: the same -> the message of what failed or was skipped.
        printed: all that was printed.
        status: the exit status.
    """

    outcomes: dict[tuple[str, str], str]
    told: dict[tuple[str, str], str]
    printed: str
    status: int

    def broken(self, scope: str) -> list[str]:
        """The contracts of a task, or of the plugin, that do not hold."""
        return [
            contract
            for (found, contract), outcome in self.outcomes.items()
            if found == scope and outcome == "failed"
        ]


def check(folder: Path, home: Path, *options: str) -> Checked:
    """Check the contracts of the plugin project in a folder.

    Arguments:
        folder: the project; its working folder is another one, and so is pytest's root.
        home: the home of taskmgr.
        options: further ones.
    """
    working = home / "working"
    working.mkdir(exist_ok=True)
    report = working / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", PLUGIN, f"--taskmgr-contract={folder}"]
    command += ["-p", "no:cacheprovider", f"--rootdir={working}", f"--junitxml={report}", *options]
    done = subprocess.run(
        command,
        cwd=working,
        # Of all plugins that are installed here pytest would load each: two seconds.
        env={
            **os.environ,
            "TASKMGR_HOME": str(home),
            "TASKMGR_RESOURCES": "licence",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = ElementTree.parse(report).iter("testcase") if report.exists() else ()  # noqa: S314
    outcomes, told = {}, {}
    for case in found:
        key = str(case.get("classname")).rpartition(".")[2], str(case.get("name"))
        inner = next(iter(case), None)
        kind = "passed" if inner is None else inner.tag
        outcomes[key] = {"failure": "failed", "error": "failed"}.get(kind, kind)
        told[key] = "" if inner is None else (inner.text or "")
    report.unlink(missing_ok=True)
    return Checked(outcomes, told, done.stdout + done.stderr, done.returncode)
