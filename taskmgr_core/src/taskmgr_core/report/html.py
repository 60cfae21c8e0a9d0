"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from taskmgr_core.report import formats, svg, theme
from taskmgr_core.report.embedding import pictures_of
from taskmgr_core.report.graph_svg import graph_svg
from taskmgr_core.report.overlays import find_overlays
from taskmgr_core.report.recorded import OpenArtifact, RecordedValues
from taskmgr_core.report.tables import result_view
from taskmgr_core.report.timeline_svg import said, stages_of, timeline_of, timeline_svg
from taskmgr_core.specs import Failure, FieldValue, Graph, RunDetail, Step, input_port, output_port
from taskmgr_core.summary import timing_of

_OPEN_ROWS = 60
_STAGES = tuple(stage for stage in theme.STAGE_COLOURS if stage != "other")


@attrs.frozen
class Trouble:
    """A failure and where it happened.

    Attributes:
        step: None for the run's own.
        failure: why.
        place: which attempt or element of the step.
        final: whether it was not tried again, and not borne.
    """

    step: Step | None
    failure: Failure
    place: str
    final: bool


@attrs.frozen
class Origin:
    """A row of the lineage table: a value, what it repeats, what it was made from."""

    value: FieldValue
    anchor: str
    made_from: tuple[tuple[str, str], ...]


def write_report(detail: RunDetail, open_artifact: OpenArtifact, target: Path) -> Path:
    """Write everything there is to know about a run into one HTML file.

    Arguments:
        detail: the run, in any state.
        open_artifact: gives the file with the content of a digest; what cannot
            be opened any more is named in the report and left out.
        target: the file; its folder is made where it is not there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(render_report(detail, open_artifact).encode())
    return target


def render_report(detail: RunDetail, open_artifact: OpenArtifact) -> str:
    """The report as HTML; arguments as for ``write_report``."""
    page = page_environment().get_template("report.html.j2")
    return formats.printable(page.render(linked=False, **told_of(detail, open_artifact)))


def told_of(detail: RunDetail, open_artifact: OpenArtifact) -> dict[str, Any]:
    """What a page shows of a run, as its templates name it; arguments as for ``write_report``."""
    run, steps = detail.run, detail.steps
    overlays = find_overlays(detail, open_artifact)
    values = RecordedValues(detail, open_artifact)
    return {
        "detail": detail,
        "run": run,
        "steps": steps,
        "counts": _counts(steps),
        "workers": sorted({step.worker for step in steps if step.worker}),
        "troubles": tuple(_troubles(detail)),
        "pictures": pictures_of(values, overlays),
        "result": result_view(detail, overlays),
        "graph": Markup(graph_svg(run.graph, steps, standalone=False)),  # noqa: S704 - escaped there
        "timeline": Markup(timeline_svg(run, steps, standalone=False)),  # noqa: S704 - escaped there
        "legend": stages_of(timeline_of(run, steps)),
        "timing": said(timing_of(run, steps)),
        "stages": [stage for stage in _STAGES if any(step.seconds.get(stage) for step in steps)],
        "lineage": tuple(_lineage(detail)),
        "open_rows": _OPEN_ROWS,
    }


def page_environment(*more: BaseLoader) -> Environment:
    """The templates of reports, with what they use.

    Arguments:
        more: where further templates are, looked into first.
    """
    environment = Environment(
        loader=ChoiceLoader([*more, PackageLoader("taskmgr_core", "report/templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("duration", "size", "moment", "machine_moment", "short_digest", "words"):
        environment.filters[name] = getattr(formats, name)
    environment.filters["shortened"] = formats.shortened
    environment.globals.update(
        counted=formats.counted,
        with_failed=formats.with_failed,
        item_colour=theme.item_colour,
        stage_colour=theme.stage_colour,
        sign=_sign,
        variables=Markup(theme.variables(":root")),  # noqa: S704 - constants
    )
    return environment


def _sign(status: str) -> Markup:
    """A status's sign; the word for it always stands beside."""
    path = theme.STATUS_SIGNS.get(status, theme.STATUS_SIGNS["pending"])
    drawn = svg.element("path", d=path)
    return Markup(  # noqa: S704 - escaped by ``element``
        svg.element("svg", drawn, viewBox="0 0 16 16", class_=f"sign {status}", aria_hidden="true")
    )


def _counts(steps: tuple[Step, ...]) -> str:
    """``2 succeeded, 1 failed``."""
    counts = Counter(step.status for step in steps)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _troubles(detail: RunDetail) -> Iterator[Trouble]:
    """Every failure, those that were final first."""
    for step in detail.steps:
        if step.failure is not None:
            yield Trouble(step, step.failure, f"attempt {step.attempt}", final=True)
    of_steps = [step.failure.message for step in detail.steps if step.failure is not None]
    if detail.run.failure is not None and detail.run.failure.message not in of_steps:
        yield Trouble(None, detail.run.failure, "", final=True)
    for step in detail.steps:
        yield from _of_elements(step, detail.run.graph)
    for step in detail.steps:
        for index, failure in enumerate(step.failures):
            if failure != step.failure:
                yield Trouble(step, failure, f"attempt {index + 1}, tried again", final=False)


def _of_elements(step: Step, graph: Graph) -> Iterator[Trouble]:
    """The first of the elements or iterations of a step that failed."""
    if not step.failed.count:
        return
    noun = "element" if graph.step(step.id).repeat is None else "iteration"
    told = formats.with_failed(step.elements or 0, noun, step.failed.count)
    for each in step.failed.first:
        if each.failure is not None:
            yield Trouble(step, each.failure, f"{noun} {each.index} ({told})", final=False)


def _lineage(detail: RunDetail) -> Iterator[Origin]:
    """The recorded values, in the graph's order, each with the ports it was made from."""
    order = {port: index for index, port in enumerate(_ports(detail))}
    values = sorted(detail.values, key=lambda value: order.get(value.port, len(order)))
    anchors = {value.port: f"value-{index}" for index, value in enumerate(values)}
    for value in values:
        sources = [edge.source for edge in detail.edges if edge.target == value.port]
        linked = tuple((source, anchors.get(source, "")) for source in dict.fromkeys(sources))
        yield Origin(value, anchors[value.port], linked)


def _ports(detail: RunDetail) -> Iterator[str]:
    graph = detail.run.graph
    yield from graph.inputs
    for step in graph.steps:
        yield from (input_port(step.id, field) for field in step.inputs)
        yield from (output_port(step.id, field) for field in step.outputs)
