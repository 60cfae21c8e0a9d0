"""The one place that runs uv: building wheels, locking, making virtualenvs."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from packaging.specifiers import SpecifierSet
from uv import find_uv_bin

from taskmgr_core.errors import EnvironmentBuildError, RunnerError, TaskmgrError
from taskmgr_core.uv_settings import (
    EXTRA_INDEX_VARIABLES,
    RESOLVER_VARIABLES,
    configuration_variables,
    describe_carried,
    indexes_of_pip,
    no_index,
    read_pip_settings,
    uv_environment,
    without_secrets,
)

LAST_LINES = 20
LIMIT_SECONDS = 3600.0
POLL_SECONDS = 0.1
_ALL_INDEXES = ("--index-strategy", "unsafe-best-match")


class UvFailed(TaskmgrError):  # noqa: N818 - callers turn it into the error of what they do
    """uv ended with an error.

    Arguments:
        output: the last lines that it wrote, without secrets.
    """

    def __init__(self, output: str) -> None:
        self.output = output
        super().__init__(f"uv says:\n{output}")


class NoPythonError(EnvironmentBuildError):
    """This machine has no Python that fits."""


class UvTooSlow(UvFailed):
    """uv was stopped at its time limit."""


def never() -> bool:
    """Nobody cancels."""
    return False


def stop_if(cancelled: Callable[[], bool]) -> None:
    """End here when what is being done is wanted no more.

    Raises:
        RunnerError: with the code ``cancelled``, as a cancelled attempt ends.
    """
    if cancelled():
        raise RunnerError("cancelled", "cancelled", retryable=False)


@attrs.frozen
class Interpreter:
    """A Python of this machine: its path and its version, as ``3.11.7``."""

    path: Path
    version: str

    @property
    def minor(self) -> str:
        """``3.11``."""
        return ".".join(self.version.split(".")[:2])


@attrs.define
class Uv:
    """Runs uv in an environment of its own.

    Attributes:
        executable: the program.
        environment: what it runs in.
        carried: a line for each of pip's settings that concerns it, for ``doctor``.
        without_index: whether no index may be asked.
        as_pip: whether the indexes are those of pip, which takes them all as one.
        seconds: how long one run of it may take.
        inherited: descriptors that it holds until it ends.
    """

    executable: Path
    environment: Mapping[str, str]
    carried: tuple[str, ...] = ()
    without_index: bool = False
    as_pip: bool = False
    seconds: float = LIMIT_SECONDS
    inherited: tuple[int, ...] = ()
    _found: dict[str, Interpreter] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Uv:
        """The uv that was installed with this program.

        Arguments:
            environ: the user's environment; pip's settings are read with it.

        Raises:
            EnvironmentBuildError: it is not there.
        """
        try:
            executable = Path(find_uv_bin())
        except FileNotFoundError as error:
            raise EnvironmentBuildError(
                "the uv program is not there; install the package 'uv' beside taskmgr-core"
            ) from error
        pip_settings = read_pip_settings(environ)
        return cls(
            executable,
            uv_environment(environ, pip_settings) | configuration_variables(environ),
            tuple(describe_carried(environ, pip_settings)),
            no_index(environ, pip_settings),
            indexes_of_pip(environ, pip_settings),
        )

    def holding(self, descriptor: int) -> Uv:
        """The same; what it starts holds a descriptor as long as it goes on, whatever ends us."""
        other = attrs.evolve(self, inherited=(*self.inherited, descriptor))
        other._found = self._found
        return other

    @property
    def index_arguments(self) -> tuple[str, ...]:
        """What commands that look for packages get besides."""
        return ("--no-index",) if self.without_index else ()

    def run(
        self,
        arguments: Sequence[str],
        *,
        without: Collection[str] = (),
        cancelled: Callable[[], bool] = never,
    ) -> str:
        """Run uv to its end.

        It has a session of its own: a Ctrl-C meant for us does not reach it. With us
        it is stopped nevertheless, and all that it started.

        Arguments:
            arguments: the command and what belongs to it.
            without: variables that it does not get.
            cancelled: asked some times a second; true stops it.

        Returns:
            What it wrote to stdout.

        Raises:
            UvFailed: with its last lines.
            RunnerError: cancelled.
        """
        variables = {name: value for name, value in self.environment.items() if name not in without}
        try:
            process = subprocess.Popen(
                [self.executable, *arguments],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=self.inherited,
            )
        except OSError as error:
            raise UvFailed(f"{self.executable} cannot be started: {error}") from error
        with _killed_at_a_fault(process):
            written, complaints = self._wait(process, cancelled)
        if process.returncode != 0:
            raise UvFailed(_last_lines(complaints or written, process.returncode))
        return written

    def _wait(
        self, process: subprocess.Popen[str], cancelled: Callable[[], bool]
    ) -> tuple[str, str]:
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                return process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                stop_if(cancelled)
                if time.monotonic() >= deadline:
                    raise UvTooSlow(
                        f"  nothing for too long: it was stopped after {self.seconds:g} s; "
                        "see whether the index can be reached, and try again"
                    ) from None

    def resolve(self, arguments: Sequence[str]) -> str:
        """Run a command that chooses versions.

        uv stays with the first index that has a package, so that nobody's upload of
        a private name is taken. Where the indexes are pip's and that finds no
        solution, the next index is asked, too.

        Raises:
            UvFailed: with its last lines.
        """
        if not self.as_pip:
            return self.run(arguments)
        return self._over_all_indexes(arguments, ("--index-strategy", "unsafe-first-match"))

    def install(self, arguments: Sequence[str], *, cancelled: Callable[[], bool] = never) -> str:
        """Run a command that installs what a lock names.

        Every file's hash is known, so it does not matter which index has it, nor
        what the user prefers among versions. For the same reason no index is asked for
        what lies in uv's cache: uv itself would ask whether a page is still as it was.

        Raises:
            UvFailed: with its last lines.
            RunnerError: cancelled.
        """
        several = any(self.environment.get(name) for name in EXTRA_INDEX_VARIABLES)
        if not {"--no-index", "--no-cache"}.intersection(arguments):
            further = ["--offline", *(_ALL_INDEXES if several else ())]
            try:
                return self.run(
                    [*arguments, *further], without=RESOLVER_VARIABLES, cancelled=cancelled
                )
            except UvTooSlow:
                raise
            except UvFailed:
                pass  # something is not there; the way past the cache says what is wrong
        if not several:
            return self.run(arguments, without=RESOLVER_VARIABLES, cancelled=cancelled)
        return self._over_all_indexes(arguments, _ALL_INDEXES, RESOLVER_VARIABLES, cancelled)

    def _over_all_indexes(
        self,
        arguments: Sequence[str],
        strategy: Sequence[str],
        without: Collection[str] = (),
        cancelled: Callable[[], bool] = never,
    ) -> str:
        """The usual way first: it works while another index cannot be reached."""
        try:
            return self.run(arguments, without=without, cancelled=cancelled)
        except UvTooSlow:
            raise
        except UvFailed:
            further = [*arguments, *strategy]
            return self.run(further, without=without, cancelled=cancelled)

    def interpreter(self, wanted: str = "") -> Interpreter:
        """A Python for virtualenvs: the one that runs us, if it fits.

        Arguments:
            wanted: a version as ``3.11``, or bounds as ``>=3.12``; empty for any.

        Raises:
            NoPythonError: this machine has none that fits.
        """
        if wanted not in self._found:
            own = Interpreter(Path(sys.executable), platform.python_version())
            self._found[wanted] = own if _fits(own, wanted) else self._search(wanted)
        return self._found[wanted]

    def pythons(self) -> tuple[str, ...]:
        """The versions of the Pythons that are there for virtualenvs, lowest first."""
        found = {platform.python_version()}
        command = ["python", "list", "--only-installed", "--output-format", "json"]
        with contextlib.suppress(UvFailed, ValueError, TypeError, KeyError):
            listed = json.loads(self.run(command))
            found |= {each["version"] for each in listed if each["implementation"] == "cpython"}
        return tuple(sorted(found, key=_release_numbers))

    def _search(self, wanted: str) -> Interpreter:
        command = ["python", "find", "--no-project", "--system", "--no-python-downloads", wanted]
        try:
            path = self.run(command).strip()
            version = self.run([*command, "--show-version"]).strip()
        except UvFailed as error:
            raise NoPythonError(
                f"no Python {wanted} on this machine (taskmgr itself runs on "
                f"{platform.python_version()}); install one and put it on PATH. {error}"
            ) from error
        return Interpreter(Path(path), version)


@contextlib.contextmanager
def _killed_at_a_fault(process: subprocess.Popen[str]) -> Iterator[None]:
    """Leave nothing of uv behind, whatever ends the waiting for it."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        raise


def _release_numbers(version: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", version)]


def _fits(own: Interpreter, wanted: str) -> bool:
    if wanted[:1].isdigit():
        return wanted == own.minor
    return SpecifierSet(wanted).contains(own.version, prereleases=True)


def _last_lines(output: str, status: int) -> str:
    lines = [line.rstrip() for line in without_secrets(output).splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-LAST_LINES:]) or f"  nothing (exit {status})"
