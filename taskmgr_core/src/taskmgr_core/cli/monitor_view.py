"""One look at the platform, as text and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from taskmgr_core.cli.screen import NOTHING, Screen, ago, plain, table
from taskmgr_core.cli.views import moment, worker_status, worker_view
from taskmgr_core.monitoring import WINDOW_SECONDS, Line, Picture
from taskmgr_core.specs import Worker

MOST_STEPS = 8


def monitor_view(picture: Picture) -> dict[str, Any]:
    """A picture as ``--json`` prints it."""
    ended = picture.overview.ended
    return {
        "at": moment(picture.at),
        "workers": [worker_view(each, alive) for each, alive in picture.workers],
        "queues": [_line_view(each) for each in picture.lines],
        "runs": {
            "running": picture.overview.running,
            "last_minute": dict(ended),
            "ended_per_second": sum(ended.values()) / WINDOW_SECONDS,
        },
        "oldest_waiting_since": moment(picture.oldest),
        "counted_all": picture.counted_all,
        "problem": picture.problem or None,
    }


def _line_view(line: Line) -> dict[str, Any]:
    waiting = line.waiting
    return {
        "queue": line.queue,
        "resources": dict(waiting.resources) if waiting else {},
        "ready": waiting.ready if waiting else 0,
        "delayed": waiting.delayed if waiting else 0,
        "messages": line.depth,
        "workers": line.workers,
        "oldest_waiting_since": moment(waiting.oldest if waiting else None),
    }


def shown(screen: Screen, picture: Picture) -> RenderableType:
    """A picture as text."""
    parts: list[RenderableType] = [_runs(picture), Text("")]
    parts.append(_workers(screen, picture) if picture.workers else Text("no workers", "dim"))
    if picture.lines:
        parts += [Text(""), _queues(picture)]
    if picture.problem:
        parts += [Text(""), plain(picture.problem, "red")]
    return Group(*parts)


def _runs(picture: Picture) -> RenderableType:
    ended = picture.overview.ended
    total = sum(ended.values())
    told = [f"{ended[status]} {status}" for status in ("succeeded", "failed", "cancelled")]
    oldest = "" if picture.oldest is None else f"   oldest waiting {ago(picture.oldest)}"
    cut = "" if picture.counted_all else "   (counts end at 10,000)"
    return Text.assemble(
        (f"{picture.overview.running} running", "bold"),
        f"   last minute: {', '.join(told)} ({total / WINDOW_SECONDS:.1f} runs/s){oldest}{cut}",
    )


def _workers(screen: Screen, picture: Picture) -> RenderableType:
    made = table(
        "worker", "status", "busy", "queues", "running", "beat",
        right=("busy", "beat"), whole=("worker", "status", "busy", "beat"),
    )  # fmt: skip
    for each, alive in picture.workers:
        made.add_row(
            plain(each.id),
            screen.status(worker_status(each, alive)),
            f"{len(each.running)}/{each.slots}",
            plain(", ".join(each.queues) or "all"),
            plain(_running(each)),
            ago(each.heartbeat),
        )
    return made


def _running(worker: Worker) -> str:
    named = [f"{run[-8:]}/{step}" for run, _, step in (e.partition("/") for e in worker.running)]
    more = len(named) - MOST_STEPS
    return " ".join(named[:MOST_STEPS]) + (f" and {more} more" if more > 0 else "")


def _queues(picture: Picture) -> RenderableType:
    broker = any(each.depth is not None for each in picture.lines)
    made = table(
        "queue", "needs", "ready", "delayed", *(["messages"] if broker else []),
        "oldest", "workers",
        right=("ready", "delayed", "messages", "oldest", "workers"), whole=("queue", "oldest"),
    )  # fmt: skip
    for each in picture.lines:
        waiting = each.waiting
        made.add_row(
            plain(each.queue),
            plain(each.needs or NOTHING),
            str(waiting.ready if waiting else 0),
            str(waiting.delayed if waiting else 0),
            *([str(each.depth)] if broker else []),
            ago(waiting.oldest if waiting else None),
            str(each.workers) if each.workers else Text("none", "red"),
        )
    return made
