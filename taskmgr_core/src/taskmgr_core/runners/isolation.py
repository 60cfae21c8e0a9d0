"""What a runner is kept from, and by what: the settings of an operator, the needs of a task.

Files are kept by Landlock, the network by a filter of system calls, both applied to the
thread that starts the runner: what a thread starts is restricted as it is, before its first
instruction, and the SDK in the virtualenv is not asked. The limits are set by a shell that
becomes the runner, because a process has one set of them for all its threads.
"""

from __future__ import annotations

import contextlib
import resource
import subprocess
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import attrs

from taskmgr_core.runners import kernel, landlock, seccomp
from taskmgr_core.runners.landlock import Rule

_SHELL = Path("/bin/sh")
_FSIZE_BLOCK = 512
_FEWEST_OPEN_FILES = 64  # Python itself, and its libraries, need some
_NO_LANDLOCK = (
    "Landlock, which keeps a task from the files of others: it needs Linux 5.13 or newer with "
    "`landlock` among its security modules (boot with lsm=landlock,...), and a container whose "
    "seccomp profile lets it through"
)
_NO_SECCOMP = (
    "seccomp filters, which keep a task from the network: they need Linux with "
    "CONFIG_SECCOMP_FILTER on x86_64, aarch64 or riscv64"
)


@attrs.frozen
class Needs:
    """What a runner is given beside its virtualenv and its folder.

    Attributes:
        network: whether it may use the network.
        readable: files and folders that it may read, as the weights of its task.
    """

    network: bool = False
    readable: tuple[Path, ...] = ()


NO_NEEDS = Needs()


@attrs.frozen
class Isolation:
    """How runners are isolated, as an operator says.

    Attributes:
        mode: ``off``; ``auto``: as far as the machine can; ``require``: or not at all.
        open_files: how many files a process may have open; 0 for as many as the worker.
        file_mb: megabytes that a file may have which it writes; 0 for no limit.
        processes: how many processes a runner may be, itself included; 0 for no limit.
        readable: files and folders that every runner may read.
        writable: files and folders that every runner may read and write.
    """

    mode: str = "off"
    open_files: int = 0
    file_mb: int = 0
    processes: int = 0
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()

    @property
    def files(self) -> bool:
        """Whether a runner is kept from the files of others."""
        return self.mode != "off" and landlock.version() > 0

    @property
    def network(self) -> bool:
        """Whether a runner whose task does not ask for the network is kept from it."""
        return self.mode != "off" and seccomp.available()

    def fault(self) -> str:
        """Why no runner may be started: isolation is required, and is not to be had here."""
        missing = missing_here() if self.mode == "require" else []
        if not missing:
            return ""
        return (
            "isolation is required (TASKMGR_ISOLATION=require) and this machine lacks "
            f"{'; and '.join(missing)}. Or set TASKMGR_ISOLATION=auto, and publish only "
            "plugins that you trust"
        )

    def limited(self, command: Sequence[str]) -> list[str]:
        """The command that sets the limits and then becomes another.

        Core dumps are switched off: they hold what the task was given.
        """
        limits = [("c", "0"), *self._open_files(), *self._file_size()]
        if not _SHELL.exists():
            return list(command)
        # A shell exports these by itself.
        last = 'unset PWD OLDPWD SHLVL; exec "$@"'
        script = " && ".join([*(f"ulimit -{flag} {value}" for flag, value in limits), last])
        return [str(_SHELL), "-c", script, "taskmgr", *command]

    def _open_files(self) -> list[tuple[str, str]]:
        wanted = max(self.open_files, _FEWEST_OPEN_FILES)
        return [("n", str(_at_most(resource.RLIMIT_NOFILE, wanted)))] * bool(self.open_files)

    def _file_size(self) -> list[tuple[str, str]]:
        blocks = _at_most(resource.RLIMIT_FSIZE, self.file_mb * 1_000_000) // _FSIZE_BLOCK
        return [("f", str(blocks))] * bool(self.file_mb)

    def started(
        self,
        start: Callable[[], subprocess.Popen[bytes]],
        rules: Collection[Rule],
        *,
        network: bool,
    ) -> subprocess.Popen[bytes]:
        """Start a process that is isolated.

        Arguments:
            start: starts it; called in a thread of its own.
            rules: what the process may do with files.
            network: whether it may use the network.

        Raises:
            OSError: what ``start`` raises, or the kernel refuses.
        """
        if not self.files and not self.network:
            return start()

        def restrict() -> None:
            if self.files:
                landlock.restrict_thread(rules, network=network)
            if self.network and not network:
                seccomp.restrict_thread()
            kernel.drop_capabilities()

        return _in_a_thread(restrict, start)


def in_force(isolation: Isolation) -> list[str]:
    """What this machine keeps runners from, for a reader."""
    found = []
    if isolation.files:
        found.append(f"the files of others (Landlock, version {landlock.version()})")
    if isolation.network:
        found.append("the network unless they ask for it (seccomp)")
    return found


def missing_here() -> list[str]:
    """What this machine lacks for full isolation, each with what it needs."""
    return [
        *([] if landlock.version() else [_NO_LANDLOCK]),
        *([] if seccomp.available() else [_NO_SECCOMP]),
    ]


def _in_a_thread(
    restrict: Callable[[], None], start: Callable[[], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """Start a process in a thread that is restricted before, and ends then."""
    started: list[subprocess.Popen[bytes]] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            restrict()
            started.append(start())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=run, name="isolated-start", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return started[0]


def _at_most(limit: int, wanted: int) -> int:
    """As much as is wanted, and no more than this process may have: it cannot give more."""
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(limit)[1]
        return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    return wanted
