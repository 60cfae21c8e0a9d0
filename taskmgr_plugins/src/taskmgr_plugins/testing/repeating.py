"""What a failed test says of the tasks that it called, and how to call them again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_plugins.strict_types import shown

LONGEST_COMMAND = 400


@attrs.define
class Call:
    """One call of a task, for the report of a test that failed.

    Attributes:
        task: its name.
        given: what the test handed over, by input.
        command: says what repeats it in the task's own virtualenv; None where nothing could.
        ended: what came of it.
    """

    task: str
    given: Mapping[str, Any]
    command: Callable[[], str] | None = None
    ended: str = "was refused"

    def told(self) -> str:
        """The call as a failure shows it."""
        lines = [f"{self.task} {self.ended}"]
        lines += [f"  {name} = {shown(value)}" for name, value in self.given.items()]
        lines += [f"repeat it: {self.command()}"] if self.command else []
        return "\n".join(lines)


def command(project: Path | None, task: str, inputs: Mapping[str, Any], folder: Path) -> str:
    """The command that runs a task once more, in a virtualenv of its own.

    Arguments:
        project: its project; None for a task that is only published.
        task: its name.
        inputs: the JSON of each input; files by their paths.
        folder: inputs that are long are put into a file there.
    """
    beginning = ["taskmgr", "test", str(project or task)]
    beginning += ["--task", task] if project else []
    typed = [f"{name}={_typed(value)}" for name, value in inputs.items()]
    found = shlex.join([*beginning, *typed])
    if len(found) <= LONGEST_COMMAND:
        return found
    written = folder / "inputs.json"
    written.write_text(json.dumps(inputs), encoding="utf-8")
    return shlex.join([*beginning, f"@{written}"])


def _typed(value: Any) -> str:
    """A value as it is typed behind ``field=``."""
    if isinstance(value, str):
        return f"@{value}" if value.startswith("@") else value
    return json.dumps(value)
