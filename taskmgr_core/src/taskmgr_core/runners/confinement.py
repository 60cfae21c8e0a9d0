"""What one runner is kept from: its inputs are brought to it, and its failures explained."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import attrs
import psutil

from taskmgr_core.errors import RunnerError
from taskmgr_core.runners.folders import WorkFolder
from taskmgr_plugins.texts import MESSAGE_CHARACTERS, bounded

_MAY = (
    "a task may read its virtualenv, its inputs and its models, and write only into its working "
    "folder"
)
_NETWORK = "it gets the network with network=True"
_FILE_REFUSED = ("PermissionError", "[Errno 13]", "Permission denied")
_NETWORK_REFUSED = ("gaierror", "name resolution", "Name or service not known")


@attrs.define
class Confinement:
    """What a runner is kept from.

    Attributes:
        inputs: where the files of a call are put, which it may only read; None when it
            sees all files.
        no_network: whether it is kept from the network.
        open_files, file_mb, processes: its limits; 0 for none.
    """

    inputs: WorkFolder | None = None
    no_network: bool = False
    open_files: int = 0
    file_mb: int = 0
    processes: int = 0
    _holds: bool = attrs.field(default=False, init=False)

    def placed(self, paths: Mapping[str, str]) -> dict[str, str]:
        """Where the runner sees files, by digest: links beneath the only folder for them.

        What it may see is settled when it starts, and each call has files of its own.

        Raises:
            RunnerError: one cannot be put there.
        """
        if self.inputs is None or not paths:
            return dict(paths)
        self._holds = True
        found = {}
        for digest, path in paths.items():
            target = self.inputs.path / Path(path).name
            try:
                _link(Path(path), target)
            except OSError as error:
                raise RunnerError(
                    f"the file {path} cannot be given to the task: {error}", "environment"
                ) from error
            found[digest] = str(target)
        return found

    def clear(self) -> None:
        """Take the files of a call away.

        Raises:
            OSError: the folder for them is lost.
        """
        if self.inputs is not None and self._holds:
            self.inputs.empty()
            self._holds = False

    def remove(self) -> None:
        """Remove the folder for them."""
        if self.inputs is not None:
            self.inputs.remove()

    def check(self, pid: int) -> None:
        """Refuse more processes than are allowed.

        Arguments:
            pid: the runner, first of its process group.

        Raises:
            RunnerError: there are more.
        """
        if self.processes and (found := _processes(pid)) > self.processes:
            raise RunnerError(
                f"was {found} processes, more than its limit of {self.processes}, and was killed; "
                "start fewer, or raise TASKMGR_PROCESSES",
                "limit",
            )

    def explained(self, error: RunnerError) -> RunnerError:
        """The error of a task, with the limit that it met or what it is not allowed."""
        said = f"{error.details.get('type', '')} {error} {error.traceback}"
        code, hint = error.code, ""
        if self.open_files and _tells(said, "[Errno 24]", "Too many open files"):
            hint = (
                f"a task may have {self.open_files} files open: close some, or raise "
                "TASKMGR_OPEN_FILES"
            )
            code = "limit"
        elif self.file_mb and _tells(said, "[Errno 27]", "File too large", "SIGXFSZ"):
            hint = (
                f"a file that a task writes may have {self.file_mb} MB: write less, or raise "
                "TASKMGR_FILE_MB"
            )
            code = "limit"
        elif self.inputs is not None and _tells(said, *_FILE_REFUSED):
            hint = f"{_MAY}; {_NETWORK}" if self.no_network else _MAY
        elif self.no_network and _tells(said, *_FILE_REFUSED, *_NETWORK_REFUSED):
            hint = f"a task has no network: {_NETWORK}"
        if not hint:
            return error
        return RunnerError(
            bounded(str(error), MESSAGE_CHARACTERS - len(hint) - 2) + f"; {hint}",
            code,
            traceback=error.traceback,
            retryable=error.retryable,
            details=error.details,
        )


def _tells(text: str, *signs: str) -> bool:
    return any(each in text for each in signs)


def _link(path: Path, target: Path) -> None:
    """Link, or copy where there are no links; the content of a name is always the same."""
    with contextlib.suppress(FileExistsError):
        try:
            os.link(path, target)
        except FileExistsError:
            raise
        except OSError:
            shutil.copyfile(path, target)


def _processes(group: int) -> int:
    """How many processes are of a group, or come from its first one."""
    found = {group}
    with contextlib.suppress(psutil.Error):
        found |= {each.pid for each in psutil.Process(group).children(recursive=True)}
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == group:
                found.add(pid)
    return len(found)
