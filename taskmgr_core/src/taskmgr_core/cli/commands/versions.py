"""``taskmgr versions``, ``diff``, ``rollout``, ``rollback``, ``pin`` and ``yank``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import check_pin, check_yank, json_option
from taskmgr_core.cli.screen import Screen, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.orchestrator.changes import Change
from taskmgr_core.orchestrator.routing import WHOLE
from taskmgr_core.report.formats import counted
from taskmgr_core.rollouts import percent_of
from taskmgr_core.specs import Route, TaskVersion

task_argument = click.argument(
    "task", help="A published task.", shell_complete=completing.tasks_alone
)


version_argument = click.argument("version", help="A published version of it.")


@click.command(
    "versions",
    cls=Command,
    examples=["taskmgr versions face_detection", "taskmgr versions face_detection --json"],
)
@task_argument
@json_option
@click.pass_obj
def versions_command(session: Session, task: str, as_json: bool) -> None:
    """List the versions of a task, and which of them new runs get.

    Without a rollout or a pin new runs get the highest version, final ones
    before others. A run keeps the versions that it was submitted with.
    """
    with session.client() as client:
        found, route = client.rollouts.versions(task)
    if as_json:
        session.screen.json(_versions_view(task, found, route))
        return
    shown = table("version", "new runs", "published", "Python", "", whole=("version", "new runs"))
    for each in found:
        yanked = route.yanked.get(each.version)
        shown.add_row(
            plain(each.version, "cyan"),
            plain(_part(each.version, found, route)),
            plain(each.release.published_at),
            plain(each.release.python),
            plain("" if yanked is None else f"yanked: {yanked}", "yellow"),
        )
    session.screen.print(shown)
    if route.choice.stable is not None:
        session.screen.line()
        session.screen.line(plain(_kept(route), "dim"))


@click.command(
    "diff",
    cls=Command,
    examples=["taskmgr diff face_detection 1.0.0 1.1.0"],
)
@task_argument
@click.argument("old", help="A published version of it.")
@click.argument("new", help="Another one.")
@json_option
@click.pass_obj
def diff_command(session: Session, task: str, old: str, new: str, as_json: bool) -> None:
    """Show what is different between two versions of a task.

    A change is breaking when a pipeline or a program that fits the old version
    may not fit the new one: an input that takes less, an output that is less
    particular, one that is gone, an input that must be given now.
    """
    with session.client() as client:
        found = client.rollouts.diff(task, old, new)
    if as_json:
        changes = [
            {"kind": each.kind, "place": each.place, "text": each.text, "breaking": each.breaking}
            for each in found
        ]
        breaking = any(each.breaking for each in found)
        session.screen.json(
            {"task": task, "old": old, "new": new, "breaking": breaking, "changes": changes}
        )
        return
    _print_changes(session.screen, found)


@click.command(
    "rollout",
    cls=Command,
    examples=[
        "taskmgr rollout face_detection 1.1.0 --percent 10",
        "taskmgr rollout face_detection 1.1.0",
    ],
)
@task_argument
@version_argument
@click.option(
    "--percent",
    type=click.IntRange(1, WHOLE),
    default=WHOLE,
    show_default=True,
    help="How many of a hundred new runs get it; the others get what they got before.",
)
@json_option
@click.pass_obj
def rollout_command(session: Session, task: str, version: str, percent: int, as_json: bool) -> None:
    """Give new runs a version of a task: some of them, or all.

    Runs that are there go on with what they were submitted with. A version
    that is published later changes nothing until it is rolled out too, or
    `taskmgr pin TASK --off` has the highest one count again. `taskmgr
    rollback` undoes it.
    """
    with session.client() as client:
        client.rollouts.roll_out(task, version, percent)
        _say(session.screen, *client.rollouts.versions(task), as_json)


@click.command("rollback", cls=Command, examples=["taskmgr rollback face_detection"])
@task_argument
@json_option
@click.pass_obj
def rollback_command(session: Session, task: str, as_json: bool) -> None:
    """Give new runs what they got before the last rollout.

    A rollout to a part of the runs is taken back; else the version that was
    chosen before counts again, or where none was, the one below this one.
    """
    with session.client() as client:
        client.rollouts.roll_back(task)
        _say(session.screen, *client.rollouts.versions(task), as_json)


@click.command(
    "pin",
    cls=Command,
    examples=[
        "taskmgr pin face_detection",
        "taskmgr pin face_detection 1.0.0",
        "taskmgr pin face_detection --off",
    ],
)
@task_argument
@click.argument("version", required=False, help="A published version of it.")
@click.option("--off", is_flag=True, help="Let it go: new runs get the highest version again.")
@json_option
@click.pass_obj
def pin_command(session: Session, task: str, version: str | None, off: bool, as_json: bool) -> None:
    """Give all new runs one version of a task until it is let go.

    Neither a publication nor a rollout changes it meanwhile. Without a version
    it is the one that new runs get now.
    """
    check_pin(version, off=off)
    with session.client() as client:
        if off:
            client.rollouts.let_go(task)
        else:
            client.rollouts.pin(task, version)
        _say(session.screen, *client.rollouts.versions(task), as_json)


@click.command(
    "yank",
    cls=Command,
    examples=[
        "taskmgr yank face_detection 1.1.0 --reason 'boxes are shifted'",
        "taskmgr yank face_detection 1.1.0 --undo",
    ],
)
@task_argument
@version_argument
@click.option("--reason", metavar="TEXT", help="Why, for all who meet it.")
@click.option("--undo", is_flag=True, help="Take it back.")
@json_option
@click.pass_obj
def yank_command(
    session: Session, task: str, version: str, reason: str | None, undo: bool, as_json: bool
) -> None:
    """Keep a version of a task from new runs.

    Only a run that names it gets it, with a warning. Runs that are there go on
    with it; nothing is removed.
    """
    check_yank(reason, undo=undo)
    with session.client() as client:
        if undo:
            client.rollouts.take_back_yank(task, version)
        else:
            client.rollouts.yank(task, version, (reason or "").strip())
        _say(session.screen, *client.rollouts.versions(task), as_json)


def _say(screen: Screen, found: Sequence[TaskVersion], route: Route, as_json: bool) -> None:
    """What new runs get now."""
    if as_json:
        screen.json(_versions_view(route.task, found, route))
        return
    parts = [(each.version, _part(each.version, found, route)) for each in found]
    told = ", ".join(f"{version} ({part})" for version, part in parts if part)
    screen.line(plain(f"new runs of {route.task} get {told or 'none of its versions'}"))


def _kept(route: Route) -> str:
    until = "it is let go" if route.choice.pinned else "another one is rolled out"
    return (
        f"what is published changes nothing for new runs until {until}; the highest version "
        f"counts again after: taskmgr pin {route.task} --off"
    )


def _part(version: str, found: Sequence[TaskVersion], route: Route) -> str:
    """What part of the new runs gets a version; empty for none."""
    percent = percent_of(version, found, route)
    pinned = ", pinned" if route.choice.pinned and percent else ""
    return f"{percent} %{pinned}" if percent else ""


def _versions_view(task: str, found: Sequence[TaskVersion], route: Route) -> dict[str, Any]:
    return {
        "task": task,
        "follows_highest": route.choice.stable is None,
        "pinned": route.choice.pinned,
        "versions": [
            {
                "version": each.version,
                "percent": percent_of(each.version, found, route),
                "yanked": route.yanked.get(each.version),
                "published_at": each.release.published_at,
                "python": each.release.python,
                "wheel": each.release.wheel.digest,
            }
            for each in found
        ],
    }


def _print_changes(screen: Screen, found: Sequence[Change]) -> None:
    if not found:
        screen.line("their inputs, outputs, options and models are the same")
        return
    shown = table("", "what", "", "how", whole=("what",))
    for each in found:
        mark = plain("breaking", "red") if each.breaking else plain("")
        shown.add_row(mark, plain(each.place, "cyan"), plain(each.kind), plain(each.text))
    screen.print(shown)
    breaking = sum(each.breaking for each in found)
    screen.line()
    screen.line(f"{counted(len(found), 'change')}, {breaking} breaking")
