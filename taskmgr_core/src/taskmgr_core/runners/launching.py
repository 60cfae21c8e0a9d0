"""Starting runner processes, each in a clean environment and a locked folder of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import attrs

from taskmgr_core.errors import RunnerError
from taskmgr_core.output import LIMIT_BYTES
from taskmgr_core.runners import processes
from taskmgr_core.runners.confinement import Confinement
from taskmgr_core.runners.devices import NO_UNITS, Devices, Numbers
from taskmgr_core.runners.folders import WorkFolder, sweep
from taskmgr_core.runners.handle import Runner
from taskmgr_core.runners.isolation import NO_NEEDS, Isolation, Needs
from taskmgr_core.runners.landlock import Rule
from taskmgr_core.runners.visible import rules_of

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


class Interpreter(Protocol):
    """Where a runner's Python is: an ``Environment``."""

    @property
    def python(self) -> Path:
        """The interpreter of the virtualenv."""


@attrs.frozen
class RunnerLauncher:
    """Starts runner processes.

    Attributes:
        folder: under which each runner gets its working folder.
        threads: how many threads OpenCV, BLAS and OpenMP may use in each.
        log_bytes: how much of the output of one attempt is passed on.
        devices: what the units are that runners hold.
        isolation: what runners are kept from.
        sources: packages and modules that are imported from where they are edited:
            name -> folder or file; a runner may read them.
    """

    folder: Path
    threads: int = 1
    log_bytes: int = LIMIT_BYTES
    devices: Devices = attrs.field(factory=Devices)
    isolation: Isolation = attrs.field(factory=Isolation)
    sources: Mapping[str, Path] = attrs.field(factory=dict)

    def start(
        self,
        environment: Interpreter,
        distribution: str,
        units: Numbers = NO_UNITS,
        needs: Needs = NO_NEEDS,
    ) -> Runner:
        """Start a runner of a plugin and wait until it answers.

        The folders that killed workers left behind are removed first.

        Arguments:
            environment: the virtualenv that holds the plugin.
            distribution: the plugin's distribution.
            units: what it holds: resource -> numbers of units.
            needs: what it is given beside its virtualenv.

        Raises:
            RunnerProtocolError: it is of another taskmgr.
            RunnerError: it did not come up, or cannot be isolated as is required.
        """
        if fault := self.isolation.fault():
            raise RunnerError(fault, "environment", retryable=False)
        sweep(self.folder)
        with contextlib.ExitStack() as undo:
            try:
                runner = self._started(environment.python, distribution, units, needs, undo)
            except OSError as error:
                raise RunnerError(
                    f"no runner can be started with {environment.python} in {self.folder}: {error}",
                    "environment",
                ) from error
            undo.pop_all()
        runner.wait_until_ready(distribution)
        return runner

    def _started(
        self,
        python: Path,
        distribution: str,
        units: Numbers,
        needs: Needs,
        undo: contextlib.ExitStack,
    ) -> Runner:
        """A runner; what there is of it when this raises is undone by the stack."""
        folder = WorkFolder.create(self.folder, "runner-")
        undo.callback(folder.remove)
        confinement = self._confinement(needs)
        undo.callback(confinement.remove)
        with contextlib.ExitStack() as theirs:
            their_in, our_in = _pipe(theirs, undo)
            our_out, their_out = _pipe(undo, theirs)
            their_lifeline, our_lifeline = _pipe(theirs, undo)
            passed = (their_in, their_out, their_lifeline)
            command = _command(python, distribution, folder.path, passed)
            command += self._from_sources()

            if not os.access(python, os.X_OK):  # said here: a shell says it to the log
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(python))

            def start() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    self.isolation.limited(command),
                    env={**self._environment(folder.path), **self.devices.variables(units)},
                    cwd=folder.path,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=passed,
                    start_new_session=True,
                )

            rules = self._rules(python, folder.path, confinement, units, needs)
            process = self.isolation.started(start, rules, network=needs.network)
        undo.callback(_end, process)
        os.set_blocking(our_in, False)
        return Runner(process, our_in, our_out, our_lifeline, folder, self.log_bytes, confinement)

    def _confinement(self, needs: Needs) -> Confinement:
        isolation = self.isolation
        return Confinement(
            WorkFolder.create(self.folder, "inputs-") if isolation.files else None,
            isolation.network and not needs.network,
            isolation.open_files,
            isolation.file_mb,
            isolation.processes,
        )

    def _rules(
        self,
        python: Path,
        folder: Path,
        confinement: Confinement,
        units: Numbers,
        needs: Needs,
    ) -> list[Rule]:
        """What a runner may do with files; none where it is kept from none."""
        if confinement.inputs is None:
            return []
        given = (*needs.readable, *self.sources.values())
        readable = (confinement.inputs.path, *given, *self.isolation.readable)
        writable = (folder, *self.isolation.writable)
        accelerators = self.devices.are_seen(units)
        return rules_of(python.parent.parent, readable, writable, accelerators=accelerators)

    def _from_sources(self) -> list[str]:
        if not self.sources:
            return []
        return ["--sources", *(f"{name}={place}" for name, place in self.sources.items())]

    def _environment(self, folder: Path) -> Mapping[str, str]:
        """A clean environment: nothing of the worker's, no secret."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            **dict.fromkeys(_THREAD_VARIABLES, str(self.threads)),
        }


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe, each end closed by its stack."""
    reading, writing = os.pipe()
    reader.callback(os.close, reading)
    writer.callback(os.close, writing)
    return reading, writing


def _end(process: subprocess.Popen[bytes]) -> None:
    processes.end(process)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _command(
    python: Path, distribution: str, folder: Path, descriptors: tuple[int, int, int]
) -> list[str]:
    frames_in, frames_out, lifeline = (str(each) for each in descriptors)
    return [
        *(str(python), "-I", "-m", "taskmgr_plugins"),
        *("--distribution", distribution, "--folder", str(folder)),
        *("--frames-in", frames_in, "--frames-out", frames_out, "--lifeline", lifeline),
    ]
