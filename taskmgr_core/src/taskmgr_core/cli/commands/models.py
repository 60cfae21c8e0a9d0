"""``taskmgr models``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from rich.text import Text

from taskmgr_core.cli import completing
from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.models_view import (
    copy_view,
    model_view,
    seen_view,
    task_names,
    uses_view,
)
from taskmgr_core.cli.options import dry_run_option, json_option, limit_of, size_option
from taskmgr_core.cli.screen import Screen, ago, facts, plain, short_id, table
from taskmgr_core.cli.session import Session
from taskmgr_core.model_registry import USES_PAGE, Model, ModelUses
from taskmgr_core.report.formats import counted, short_digest, size

if TYPE_CHECKING:
    from taskmgr_core.models import ModelCopy


@click.group(
    "models",
    cls=Group,
    examples=["taskmgr models list", "taskmgr models show yunet.onnx", "taskmgr models verify"],
)
def models_command() -> None:
    """The weights of the published tasks, and who used them.

    The same bytes are one model, whatever plugins have them and call them.
    """


@models_command.command("list", examples=["taskmgr models list", "taskmgr models list --json"])
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the weights: licence, size, which tasks use them, whether they are here."""
    with session.client() as client:
        found, here = client.models.models(), client.models.copies()
    if as_json:
        session.screen.json({"models": [model_view(each, here) for each in found]})
        return
    if not found:
        session.screen.line("no published task has any weights")
        return
    shown = table(
        "model", "version", "size", "licence", "tasks", "here", "digest",
        right=("size",), whole=("model", "size", "digest"),
    )  # fmt: skip
    for each in found:
        shown.add_row(
            plain("\n".join(each.names), "cyan"),
            plain(_joined(spec.version for spec in each.specs)),
            "?" if each.size is None else size(each.size),
            plain(_joined(spec.licence for spec in each.specs)),
            plain(task_names(each)),
            plain(_here(each, here)),
            plain(short_digest(each.digest), "dim"),
        )
    session.screen.print(shown)
    total = sum(each.size or 0 for each in found)
    session.screen.line(f"{counted(len(found), 'model')}, {size(total)}", "dim")


@models_command.command(
    "show",
    examples=["taskmgr models show yunet.onnx", "taskmgr models show 8f2383e4dd3c --limit 50"],
)
@click.argument(
    "model", help="A name, or a digest or the beginning of one.", shell_complete=completing.models
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=USES_PAGE,
    show_default=True,
    help="How many runs at most.",
)
@click.option("--before", metavar="RUN", help="Only runs before this one: the next page.")
@json_option
@click.pass_obj
def show_command(
    session: Session, model: str, limit: int, before: str | None, as_json: bool
) -> None:
    """Show weights: what they are, the releases that have them, the runs that used them.

    A name may stand for several files, one after the other; each is shown.
    What came of a run with them, and where they came from, if a run made them:
    `taskmgr lineage --of DIGEST`.
    """
    with session.client() as client:
        here = client.models.copies()
        found = [
            (each, client.models.uses(each, before, limit)) for each in client.models.named(model)
        ]
    if as_json:
        views = [{**model_view(each, here), **uses_view(uses)} for each, uses in found]
        session.screen.json({"models": views})
        return
    for number, (each, uses) in enumerate(found):
        if number:
            session.screen.line()
        _print_model(session.screen, each, here)
        _print_uses(session.screen, each, uses)


@models_command.command(
    "verify", examples=["taskmgr models verify", "taskmgr models verify yunet.onnx"]
)
@click.argument(
    "model",
    required=False,
    help="A name or a digest; by default all.",
    shell_complete=completing.models,
)
@json_option
@click.pass_obj
def verify_command(session: Session, model: str | None, as_json: bool) -> int:
    """Read every byte of the weights, in the store and on this machine.

    Says which are damaged or lost and what to do; then the exit code is 1.
    """
    with session.client() as client:
        wanted = client.models.models() if model is None else client.models.named(model)
        seen = [(each, client.models.faults(each)) for each in wanted]
    if as_json:
        session.screen.json({"models": [seen_view(*each) for each in seen]})
    else:
        for each, faults in seen:
            _print_seen(session.screen, each, faults)
        if not seen:
            session.screen.line("no published task has any weights")
    return FAILED if any(faults for _, faults in seen) else OK


@models_command.command(
    "gc", examples=["taskmgr models gc --size 5000 --dry-run", "taskmgr models gc --size 5000"]
)
@size_option
@dry_run_option
@json_option
@click.pass_obj
def gc_command(session: Session, megabytes: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove this machine's least recently used copies until the rest is small enough.

    By --size or the setting models_mb. What is stored stays: a copy is fetched
    again when it is needed. One that a living runner has, or that was used a
    moment ago, stays too. Without S3 the weights are no copies, and take no
    room besides the store.
    """
    limit = limit_of(megabytes, session.settings().models_mb, "models_mb")
    files = session.models()
    removed = files.gc(limit, dry_run=dry_run)
    if as_json:
        session.screen.json({"removed": [copy_view(each) for each in removed], "dry_run": dry_run})
        return
    for each in removed:
        verb = "would remove" if dry_run else "removed"
        session.screen.line(plain(f"{verb} {', '.join(each.names)}  {size(each.room)}"))
    left = sum(each.room for each in files.copies())
    if left > limit and not dry_run:
        session.screen.line(
            f"{size(left)} stay: what a runner has, or was used a moment ago, is never removed"
        )
    elif not removed:
        session.screen.line(f"nothing to remove: {size(limit)} may stay, {size(left)} are here")


def _print_model(screen: Screen, model: Model, here: dict[str, ModelCopy | None]) -> None:
    rows = [
        ("model", ", ".join(model.names)),
        ("digest", model.digest),
        ("size", "not stored" if model.size is None else size(model.size)),
        ("version", _joined(each.version for each in model.specs)),
        ("licence", _joined(each.licence for each in model.specs)),
        ("source", _joined(each.source for each in model.specs)),
        ("here", _here(model, here) or "no"),
    ]
    screen.print(facts([(name, value) for name, value in rows if value]))
    screen.heading("used by")
    shown = table("task", "version", "plugin", "published", whole=("task", "version"))
    for each in model.versions:
        release = each.release
        shown.add_row(
            plain(each.name, "cyan"),
            plain(each.version),
            plain(release.distribution),
            plain(release.published_at),
        )
    screen.print(shown)


def _print_uses(screen: Screen, model: Model, uses: ModelUses) -> None:
    screen.heading("runs", "newest first")
    if not uses.uses:
        screen.line("none" if not uses.next else "none of these", "dim")
    shown = table("run", "name", "status", "age", "steps", right=("age",), whole=("run",))
    for each in uses.uses:
        steps = ", ".join(f"{step.id} {step.task} {step.version}" for step in each.steps)
        shown.add_row(
            plain(short_id(each.run.id), "cyan"),
            plain(each.run.name),
            screen.status(each.run.status),
            ago(each.run.created_at),
            plain(steps),
        )
    if uses.uses:
        screen.print(shown)
    if uses.next:
        more = f"more: taskmgr models show {short_digest(model.digest)} --before {uses.next}"
        screen.err.print(plain(more, "dim"), soft_wrap=True)


def _print_seen(screen: Screen, model: Model, faults: list[str]) -> None:
    name = ", ".join(model.names)
    if not faults:
        shown = Text.assemble(screen.status("ok"), " ", plain(name))
        screen.line(shown)
        return
    for fault in faults:
        screen.line(Text.assemble(screen.status("fault"), " ", plain(f"{name}: {fault}")))
    for line in seen_view(model, faults)["advice"]:
        screen.line(plain(f"  {line}", "dim"))


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(each for each in texts if each))


def _here(model: Model, here: dict[str, ModelCopy | None]) -> str:
    if model.digest not in here:
        return ""
    copy = here[model.digest]
    return "in use" if copy is not None and copy.in_use else "yes"
