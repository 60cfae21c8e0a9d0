"""Workers: one is told to leave, and its log is read where it can be."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

import attrs

from taskmgr_core.client import Client
from taskmgr_core.control import Control
from taskmgr_core.errors import ConflictError
from taskmgr_core.specs import Worker

# The end of a log, where one begins to read; and the most that is read at once.
FIRST_BYTES = 64_000
MOST_BYTES = 512_000


def tell(client: Client, worker: str, how: Literal["drain", "now"]) -> Worker:
    """Tell a worker to leave, and do not wait for it.

    Arguments:
        client: of the platform.
        worker: its id.
        how: ``drain``: it finishes what runs; ``now``: it gives that back.

    Raises:
        NotFoundError: there is no such worker, or it is lost.
        ConflictError: it serves one program alone, which ends it.
    """
    control = Control(client.metadata, client.queue, client.lost_after)
    meant = control.named(worker)
    if meant.private:
        raise ConflictError(
            f"{meant.id} serves the runs of one program alone and leaves with it; cancel its run"
        )
    control.leave([meant], how)
    return meant


@attrs.frozen
class LogPlace:
    """How far a log was read: a file, and the bytes of it that are known."""

    inode: int
    offset: int


@attrs.frozen
class LogPart:
    """The next lines of a log.

    Attributes:
        lines: whole lines, without their ends.
        place: where the next part begins; None where nothing could be read.
        anew: whether they are of another file than the part before: it was rotated.
        problem: why it cannot be read from here, and how it can; empty where it was read.
    """

    lines: tuple[str, ...] = ()
    place: LogPlace | None = None
    anew: bool = False
    problem: str = ""


def log_part(worker: Worker, seen: LogPlace | None = None) -> LogPart:
    """What a worker has logged, or has logged since; of a long log the end.

    Arguments:
        worker: whose log.
        seen: the place of the part before; None to begin.
    """
    if not worker.log:
        return LogPart(
            problem="it logs to its own terminal alone; a worker that is started with --daemon or "
            "--log-folder DIR logs to a file, which is followed here"
        )
    if worker.host != socket.gethostname():
        return LogPart(
            problem=f"its log is a file on {worker.host}, which cannot be read from here; there: "
            f"tail -f {worker.log}"
        )
    try:
        return _read(Path(worker.log), seen)
    except OSError as error:
        return LogPart(
            problem=f"its log {worker.log} cannot be read: {error.strerror or error}; in another "
            "container it is a file of that container"
        )


def _read(path: Path, seen: LogPlace | None) -> LogPart:
    with path.open("rb") as opened:
        found = os.fstat(opened.fileno())
        rotated = seen is not None and (seen.inode != found.st_ino or seen.offset > found.st_size)
        if seen is None:
            start = max(found.st_size - FIRST_BYTES, 0)
        else:
            start = 0 if rotated else seen.offset
        opened.seek(start)
        content = opened.read(MOST_BYTES)
    whole, end, _ = content.rpartition(b"\n")  # a line that is being written comes with the rest
    read = whole + end
    lines = read.decode(errors="backslashreplace").splitlines()
    cut = seen is None and start > 0
    return LogPart(tuple(lines[1:] if cut else lines), LogPlace(found.st_ino, start + len(read)),
                   rotated)  # fmt: skip
