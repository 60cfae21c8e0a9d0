"""``taskmgr graph``."""

from __future__ import annotations

from pathlib import Path

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.paths import pipeline_or_name
from taskmgr_core.cli.pictures import Writing
from taskmgr_core.cli.screen import Screen, plain
from taskmgr_core.cli.session import Session
from taskmgr_core.client import Client
from taskmgr_core.details import with_failed
from taskmgr_core.errors import NotFoundError
from taskmgr_core.report.graph_dot import graph_dot
from taskmgr_core.report.graph_mermaid import graph_mermaid
from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.report.graph_text import graph_lines
from taskmgr_core.specs import Graph, Step

TEXT = "text"
_DRAWN = {"mermaid": graph_mermaid, "dot": graph_dot, "svg": graph_svg}
_SUFFIXES = {
    ".txt": TEXT,
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
}
_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "running": "yellow",
    "mapping": "yellow",
    "looping": "yellow",
    "ready": "cyan",
    "cancelled": "magenta",
}


@click.command(
    "graph",
    cls=Command,
    examples=[
        "taskmgr graph face_processing",
        "taskmgr graph pipelines/face_processing.json --out faces.svg",
        "taskmgr graph 3f9a2c1b --format mermaid",
    ],
)
@click.argument(
    "what",
    help="A published task or pipeline, a pipeline file, or a run, whose states are shown.",
    shell_complete=completing.names,
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([TEXT, *_DRAWN]),
    help="By default what the suffix of --out says (.txt, .mmd, .dot, .svg), or text.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into this file, not to stdout.",
)
@click.pass_obj
def graph_command(session: Session, what: str, format_: str | None, out: Path | None) -> None:
    """Draw a pipeline, or a run with the states of its steps.

    Every port is named, and where its value comes from. A state has a sign of
    its own beside its colour.
    """
    wanted = format_ or _format_of(out)
    with session.client() as client:
        graph, steps = _found(client, what)
    if out is None and wanted == TEXT:
        _print(session.screen, graph, steps)
        return
    drawn = _drawn(wanted, graph, steps)
    if out is None:
        click.echo(drawn, nl=not drawn.endswith("\n"))
        return
    with Writing(out):
        out.write_text(drawn, encoding="utf-8")
    session.screen.err.print(plain(f"written: {out}", "dim"), soft_wrap=True)


def _format_of(out: Path | None) -> str:
    if out is None:
        return TEXT
    known = _SUFFIXES.get(out.suffix.lower())
    if known is None:
        raise click.UsageError(
            f"the suffix of {out} is none of {', '.join(_SUFFIXES)}; say the format with --format"
        )
    return known


def _found(client: Client, what: str) -> tuple[Graph, list[Step]]:
    """The graph of a name, a file or a run, and the steps of the run."""
    named = pipeline_or_name(what, client.metadata)
    if not isinstance(named, str):
        return client.graph(named), []
    try:
        return client.graph(named), []
    except NotFoundError as error:
        try:
            run = client.metadata.run(named)
        except NotFoundError:
            raise NotFoundError(f"{error}; nor is there a run {what!r}") from None
        return run.graph, list(with_failed(client.metadata, client.metadata.steps(run.id)))


def _drawn(format_: str, graph: Graph, steps: list[Step]) -> str:
    if format_ == TEXT:
        return "".join(f"{line.text}\n" for line in graph_lines(graph, steps))
    return _DRAWN[format_](graph, steps)


def _print(screen: Screen, graph: Graph, steps: list[Step]) -> None:
    for line in graph_lines(graph, steps):
        screen.line(plain(line.text, _STYLES.get(line.status, "")))
