"""``taskmgr lineage``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.lineage_views import mermaid, tree_down, tree_up
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import Screen, plain, short_id, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import lineage_view, trace_view
from taskmgr_core.lineage import Trace
from taskmgr_core.report.formats import short_digest, size
from taskmgr_core.specs import FieldValue


@click.command(
    "lineage",
    cls=Command,
    examples=[
        "taskmgr lineage 3f9a2c1b",
        "taskmgr lineage 3f9a2c1b --down",
        "taskmgr lineage 3f9a2c1b --mermaid > lineage.mmd",
        "taskmgr lineage --of photo.jpg",
    ],
)
@click.argument(
    "run",
    required=False,
    help="A run's id, the beginning of it, or its last 8 characters.",
    shell_complete=completing.run_ids,
)
@click.option(
    "--of",
    metavar="FILE|DIGEST",
    help="Instead of a run: where a file's content, or a value's digest, turned up.",
)
@click.option("--down", is_flag=True, help="From the inputs down, not from the result up.")
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@json_option
@click.pass_obj
def lineage_command(
    session: Session,
    run: str | None,
    of: str | None,
    down: bool,
    as_mermaid: bool,
    as_json: bool,
) -> None:
    """Show which value was made from which.

    Of a run, as a tree; or with --of for a file: every run that it went into
    or came from, what it was made from there, and what was made from it.
    """
    if (run is None) == (of is None):
        raise click.UsageError("give a run, or --of FILE")
    if as_json and as_mermaid:
        raise click.UsageError("--json and --mermaid exclude each other")
    if of is not None:
        if down or as_mermaid:
            raise click.UsageError("--down and --mermaid are for a run")
        _print_traces(session, of, as_json)
        return
    with session.client() as client:
        detail = client.detail(str(run))
    if as_json:
        session.screen.json(lineage_view(detail))
    elif as_mermaid:
        click.echo(mermaid(detail))
    else:
        tree = tree_down if down else tree_up
        session.screen.print(tree(session.screen, detail))


def _print_traces(session: Session, of: str, as_json: bool) -> None:
    with session.client() as client:
        traces = client.trace(of)
        ids = dict.fromkeys(each.run for each in traces)
        names = {run_id: client.metadata.summary(run_id).name for run_id in ids}
    digest = next(iter(traces)).value.digest if _one_value(traces) else ""
    if as_json:
        session.screen.json({"of": of, "traces": [trace_view(each, names) for each in traces]})
        return
    if digest:
        session.screen.line(plain(f"{of}  {short_digest(digest)}", "bold"))
    for each in traces:
        _print_trace(session.screen, each, names[each.run])


def _one_value(traces: Sequence[Trace]) -> bool:
    return len({each.value.digest for each in traces}) == 1


def _print_trace(screen: Screen, trace: Trace, name: str) -> None:
    screen.heading(f"run {short_id(trace.run)}  {name}", _titled(trace.value))
    shown = table("", "port", "type", "size", "digest", right=("size",), whole=("port",))
    for title, values in (("made from", trace.made_from), ("led to", trace.led_to)):
        own = [each for each in values if not each.source]
        for number, value in enumerate(own):
            shown.add_row(
                plain("" if number else title, "dim"),
                plain(value.port),
                plain(value.type),
                size(value.size),
                short_digest(value.digest),
            )
    if shown.row_count:
        screen.print(shown)


def _titled(value: FieldValue) -> str:
    where = f"output of step {value.producer}" if value.producer else "input"
    return f"{value.port}, {where}"
