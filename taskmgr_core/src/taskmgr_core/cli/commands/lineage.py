"""``taskmgr lineage``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.lineage_views import mermaid, print_edges, print_failed, tree_down, tree_up
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import Screen, plain
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.trace_views import TITLES, page_tree, traces_mermaid, worth_telling
from taskmgr_core.cli.views import element_view, lineage_view, page_view
from taskmgr_core.client import TRACE_PAGE, Client
from taskmgr_core.elements import of_element, run_of_element, state_of_element
from taskmgr_core.errors import NotFoundError, not_installed
from taskmgr_core.report.formats import short_digest
from taskmgr_core.specs import Element, RunDetail
from taskmgr_core.tracing import Page


@click.command(
    "lineage",
    cls=Command,
    examples=[
        "taskmgr lineage 3f9a2c1b",
        "taskmgr lineage 3f9a2c1b --down",
        "taskmgr lineage 3f9a2c1b --element '002[3]'",
        "taskmgr lineage 3f9a2c1b --mermaid > lineage.mmd",
        "taskmgr lineage 3f9a2c1b --openlineage events.ndjson",
        "taskmgr lineage --of photo.jpg",
        "taskmgr lineage --of photo.jpg --mermaid > lineage.mmd",
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
    help="Instead of a run: a file, or a value's digest, over all runs.",
)
@click.option(
    "--next",
    "cursor",
    metavar="CURSOR",
    help="Instead of a run: the next page of what --of found.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=TRACE_PAGE,
    show_default=True,
    help="With --of and --next: how many runs at most, in each direction.",
)
@click.option("--down", is_flag=True, help="From the inputs down, not from the result up.")
@click.option(
    "--element",
    metavar="STEP[N]",
    help="Of a step with `map` or `repeat`, as 002[3]: the lineage of one element or iteration.",
)
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@click.option(
    "--openlineage",
    "events",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the run as events of OpenLineage, a line of JSON each; - for stdout.",
)
@json_option
@click.pass_obj
def lineage_command(
    session: Session,
    run: str | None,
    of: str | None,
    cursor: str | None,
    limit: int,
    down: bool,
    element: str | None,
    as_mermaid: bool,
    events: Path | None,
    as_json: bool,
) -> None:
    """Show which value was made from which.

    Of a run, as a tree; or with --of for a file: what it was made from and what
    was made from it, over all runs. A file that one run made and another was
    given leads from the one into the other.
    """
    if sum(each is not None for each in (run, of, cursor)) != 1:
        raise click.UsageError("give a run, or --of FILE, or --next CURSOR")
    if as_json + as_mermaid + (events is not None) > 1:
        raise click.UsageError("--json, --mermaid and --openlineage exclude one another")
    if run is None:
        if down or element or events:
            raise click.UsageError("--down, --element and --openlineage are for a run")
        _trace(session, of, cursor, limit, as_json=as_json, chart=as_mermaid)
        return
    if events is not None:
        _write_events(session, run, events)
        return
    detail, state = _recorded(session, run, element)
    if as_json:
        told = {} if element is None else {"element": element_view(element, state)}
        session.screen.json({**lineage_view(detail), **told})
    elif as_mermaid:
        click.echo(mermaid(detail))
    elif element is not None:
        print_edges(session.screen, detail)
        print_failed(session.screen, element, state)
    else:
        tree = tree_down if down else tree_up
        session.screen.print(tree(session.screen, detail))


def _recorded(session: Session, run: str, element: str | None) -> tuple[RunDetail, Element | None]:
    """A run; where an element or iteration is named, with what is of it alone, and its state."""
    with session.client() as client:
        detail = client.detail(run)
        if element is None:
            return client.models.lineage().completed(detail), None
        maker = _with_element(session.screen, client, detail, element)
        found = of_element(client.metadata, maker, element)
        return found, state_of_element(client.metadata, maker.run.id, element)


def _with_element(screen: Screen, client: Client, detail: RunDetail, element: str) -> RunDetail:
    """The run itself, or the one that its step was taken over from with its elements."""
    maker, step = run_of_element(detail, element), element.partition("[")[0]
    if maker == detail.run.id:
        return detail
    try:
        found = client.detail(maker)
    except NotFoundError as error:
        raise NotFoundError(
            f"the elements of step {step!r} were recorded with run {maker}, from which it was "
            "taken over, and that is not recorded any more"
        ) from error
    told = f"step {step} was taken over from run {maker}; this is its element there"
    screen.err.print(plain(told, "dim"), soft_wrap=True)
    return found


def _write_events(session: Session, run: str, path: Path) -> None:
    """Write a run as events of OpenLineage."""
    try:  # it is an extra, and slow to import
        from taskmgr_core.lineage_events.events import namespace_of
        from taskmgr_core.lineage_events.export import as_lines, exported
    except ModuleNotFoundError as error:
        raise not_installed("openlineage", "openlineage-python", error) from error
    with session.client() as client:
        found = exported(client.detail(run), namespace_of())
    with click.open_file(str(path), "w", encoding="utf-8", atomic=str(path) != "-") as opened:
        opened.write(as_lines(found))
    if str(path) != "-":
        session.screen.line(plain(f"{len(found)} events in {path}"))


def _trace(
    session: Session, of: str | None, cursor: str | None, limit: int, *, as_json: bool, chart: bool
) -> None:
    """Print what a file came from and led to, or the next page of one of the two."""
    with session.client() as client:
        if cursor is not None:
            pages = [client.trace_further(cursor, limit)]
        else:
            found = client.trace(str(of), limit)
            pages = [found.made_from, found.led_to]
        runs = dict.fromkeys(part.run for page in pages for part in page.parts)
        names = {run: client.metadata.summary(run).name for run in runs}
    if as_json:
        views = {page.direction: page_view(page, names) for page in pages}
        session.screen.json({"of": of, "digest": pages[0].digest, **views})
    elif chart:
        click.echo(traces_mermaid(pages, names))
    else:
        _print(session.screen, of, pages, names)
    if not as_json:
        _say_next(session.screen, pages)


def _print(screen: Screen, of: str | None, pages: Sequence[Page], names: Mapping[str, str]) -> None:
    digest = short_digest(pages[0].digest)
    screen.line(plain(digest if of is None else f"{of}  {digest}", "bold"))
    for page in pages:
        title = TITLES[page.direction]
        if any(worth_telling(part) for part in page.parts):
            screen.line()
            screen.print(page_tree(page, names, title))
        else:
            screen.line(plain(f"\n{title}  nothing that is recorded", "dim"))


def _say_next(screen: Screen, pages: Sequence[Page]) -> None:
    for page in pages:
        if page.next:
            told = f"{TITLES[page.direction]} more: taskmgr lineage --next {page.next}"
            screen.err.print(plain(told, "dim"), soft_wrap=True)
