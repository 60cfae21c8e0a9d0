"""Telling workers to leave, over the REST API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import click

from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.http_documents import Parameters, client_of
from taskmgr_core.report.formats import counted

if TYPE_CHECKING:
    from taskmgr_core.cli.session import Session
    from taskmgr_core.remote import RemoteClient
    from taskmgr_core.specs import Worker

LOOK_SECONDS = 0.5


def _drain(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        _told(session, client, given)


def _stop(session: Session, given: Parameters) -> int:
    timeout = given["timeout"]
    with client_of(session) as client:
        left = _told(session, client, given)
        ends = None if timeout is None else time.monotonic() + timeout
        while left:
            living = {each.id for each in client.workers() if each.status != "lost"}
            for gone in [each for each in left if each not in living]:
                session.screen.line(f"{gone} has left")
                del left[gone]
            if not left or (ends is not None and time.monotonic() >= ends):
                break
            time.sleep(LOOK_SECONDS)
    for name, running in left.items():
        steps = counted(running, "step")
        session.screen.err.print(f"{name} is still there ({steps} when it was told)")
    return FAILED if left else OK


def _told(session: Session, client: RemoteClient, given: Parameters) -> dict[str, int]:
    """Who was told, and how many steps they ran then."""
    if bool(given["worker"]) == given["every"]:
        raise click.UsageError("name one worker (`taskmgr worker list`), or give --all")
    how: Literal["drain", "now"] = "now" if given["now"] else "drain"
    names = [given["worker"]] if given["worker"] else [each.id for each in _living(client)]
    if not names:
        session.screen.line("no workers are alive")
    told = {}
    for name in names:
        meant = client.tell_worker(name, how)
        told[meant.id] = len(meant.running)
        session.screen.line(f"{meant.id} is told to leave")
    return told


def _living(client: RemoteClient) -> list[Worker]:
    """Those that serve whoever comes."""
    from taskmgr_core.remote import looks

    found = client.ask(looks.workers()).workers
    return [each.worker for each in found if each.alive and not each.worker.private]


# A command's words -> what carries it out, and the parameters that go over HTTP.
COMMANDS: Mapping[str, tuple[Callable[[Session, Parameters], Any], frozenset[str]]] = {
    "worker drain": (_drain, frozenset({"worker", "every", "now"})),
    "worker stop": (_stop, frozenset({"worker", "every", "now", "timeout"})),
}
