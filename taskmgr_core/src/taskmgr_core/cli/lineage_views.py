"""The lineage of a run as a tree and as a Mermaid chart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import attrs
from rich.text import Text
from rich.tree import Tree

from taskmgr_core.cli.cells import cell
from taskmgr_core.cli.screen import Screen, plain, short_id, table
from taskmgr_core.report.formats import printable, shortened, size
from taskmgr_core.results import present
from taskmgr_core.specs import Element, FieldValue, GraphStep, ResultSpec, RunDetail, output_port

VALUE_LENGTH = 40
ABOVE = "(see above)"
ABOVE_ALL = "(as its source)"

_NO_WORD = re.compile(r"[^A-Za-z0-9_]")


def tree_up(screen: Screen, detail: RunDetail) -> Tree:
    """From the result up to the inputs: below each value what it was made from."""
    return _Trees(screen, detail).up()


def tree_down(screen: Screen, detail: RunDetail) -> Tree:
    """From the inputs down to the result: below each value what was made from it."""
    return _Trees(screen, detail).down()


def print_edges(screen: Screen, detail: RunDetail) -> None:
    """Print each value with the ports that it was made from."""
    made_from: dict[str, list[str]] = {}
    for edge in detail.edges:
        made_from.setdefault(edge.target, []).append(edge.source)
    shown = table("port", "value", "made from", whole=("port",))
    for each in detail.values:
        value = cell(present(each.document), VALUE_LENGTH) if not each.source else ABOVE_ALL
        sources = ", ".join(made_from.get(each.port, ()))
        shown.add_row(plain(each.port), plain(value), plain(sources))
    screen.print(shown)


def print_failed(screen: Screen, name: str, state: Element | None) -> None:
    """Print why the lineage of an element or iteration ends with it, where it did not succeed."""
    status = state.status if state else "pending"
    if status == "succeeded":
        return
    told = Text.assemble((f"{name} ", "bold"), screen.status(status))
    failure = state.failure if state else None
    if failure is not None:
        told.append(f"  {printable(failure.code)}: {printable(failure.message)}")
    screen.line(told)


@attrs.define
class _Trees:
    screen: Screen
    detail: RunDetail
    _seen: set[str] = attrs.field(factory=set, init=False)
    _values: Mapping[str, FieldValue] = attrs.field(init=False)
    _makers: Mapping[str, GraphStep] = attrs.field(init=False)
    _sources: Mapping[str, list[str]] = attrs.field(init=False)

    @_values.default
    def _find_values(self) -> Mapping[str, FieldValue]:
        return {value.port: value for value in self.detail.values}

    @_makers.default
    def _find_makers(self) -> Mapping[str, GraphStep]:
        return {
            output_port(step.id, field): step
            for step in self.detail.run.graph.steps
            for field in step.outputs
        }

    @_sources.default
    def _find_sources(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for edge in sorted(self.detail.edges, key=lambda each: (each.target, each.source)):
            found.setdefault(edge.target, []).append(edge.source)
        return found

    def up(self) -> Tree:
        root = self._root()
        for name, entry in self.detail.run.graph.result.items():
            if isinstance(entry, ResultSpec):
                joined = root.add(
                    Text.assemble((name, "bold"), (f"  joined on {entry.join}", "dim"))
                )
                for inner, port in entry.ports.items():
                    self._add_up(joined, port, inner)
            else:
                self._add_up(root, entry, name)
        return root

    def down(self) -> Tree:
        root = self._root()
        for name in self.detail.run.graph.inputs:
            self._add_down(root, name)
        for step in self.detail.run.graph.steps:
            if step.id not in self._seen and not step.after:
                self._add_step(root, step, "")
        return root

    def _root(self) -> Tree:
        run = self.detail.run
        return Tree(
            Text.assemble(
                (printable(run.name), "bold"),
                f"  run {short_id(run.id)}  ",
                self.screen.status(run.status),
            ),
            guide_style="dim",
        )

    def _add_up(self, parent: Tree, port: str, called: str = "") -> None:
        maker = self._makers.get(port)
        by = f"by {maker.id} {maker.task} {maker.version}" if maker else ""
        if port in self._seen and maker is not None:
            parent.add(self._label(port, called, ABOVE))
            return
        self._seen.add(port)
        node = parent.add(self._label(port, called, by))
        if maker is None:
            return
        for input_id in self._sources.get(port, ()):
            weights = input_id.startswith(f"model_{maker.id}_")
            field = input_id.removeprefix(f"input_{maker.id}_").removeprefix(f"model_{maker.id}_")
            sources = self._sources.get(input_id, ())
            for source in sources:
                self._add_up(node, source, field)
            if not sources:
                node.add(self._label(input_id, field, "weights" if weights else "constant"))

    def _add_down(self, parent: Tree, port: str) -> None:
        node = parent.add(self._label(port, "", ""))
        for step in self.detail.run.graph.steps:
            fields = [
                field for field, source in step.inputs.items() if self._follows(source.port, port)
            ]
            if fields:
                self._add_step(node, step, ", ".join(fields))

    def _follows(self, source: str, port: str) -> bool:
        """Whether a mapping's source is the port, or an input port that repeats it."""
        while source and source != port and source in self._values:
            source = self._values[source].source
        return bool(source) and source == port

    def _add_step(self, parent: Tree, step: GraphStep, fields: str) -> None:
        label = Text.assemble((f"{step.id} {step.task} {step.version}", "bold"))
        label.append(f"  as {fields}" if fields else "", style="dim")
        if step.id in self._seen:
            label.append(f"  {ABOVE}", style="dim")
            parent.add(label)
            return
        self._seen.add(step.id)
        node = parent.add(label)
        for field in step.outputs:
            self._add_down(node, output_port(step.id, field))

    def _label(self, port: str, called: str, note: str) -> Text:
        value = self._values.get(port)
        label = Text()
        if called and called != port:
            label.append(f"{printable(called)}  ")
        label.append(port, style="cyan")
        if value is None:
            label.append("  no value", style="dim")
        else:
            label.append(f"  {printable(value.type)}")
            label.append(f"  {_brief(value)}", style="dim")
        label.append(f"  {note}" if note else "", style="dim")
        return label


def _brief(value: FieldValue) -> str:
    if value.source or value.document is None:
        return size(value.size)
    return shortened(cell(present(value.document), VALUE_LENGTH), VALUE_LENGTH)


def mermaid(detail: RunDetail) -> str:
    """A Mermaid flowchart of every port and edge of a run."""
    return "\n".join(_mermaid(detail))


def _mermaid(detail: RunDetail) -> Iterator[str]:
    ports = {value.port: value for value in detail.values}
    steps = detail.run.graph.steps
    yield "flowchart LR"
    for name in detail.run.graph.inputs:
        yield f'  {_node(name)}(["{quoted(_titled(name, ports.get(name)))}"])'
    for step in steps:
        yield f'  subgraph s_{step.id}["{quoted(f"{step.id} {step.task} {step.version}")}"]'
        own = (*(f"{kind}_{step.id}_" for kind in ("input", "output", "model")), f"map:{step.id}[")
        inside = [port for port in ports if port.startswith(own)]
        for port in inside:
            yield f'    {_node(port)}["{quoted(_titled(port, ports[port]))}"]'
        if not inside:
            yield f'    s_{step.id}_none["no values"]'
        yield "  end"
    for edge in detail.edges:
        yield f"  {_node(edge.source)} --> {_node(edge.target)}"


def _node(port: str) -> str:
    """Ids that are words of Mermaid's own, such as ``end``, break a chart."""
    return f"p_{identifier(port)}"


def identifier(port: str) -> str:
    """A port as part of an id: the name of a file may have anything in it."""
    return _NO_WORD.sub(lambda found: f"_{ord(found[0]):x}_", port)


def _titled(port: str, value: FieldValue | None) -> str:
    return port if value is None else f"{port}: {value.type}"


def quoted(text: str) -> str:
    """Text inside the quotes of a Mermaid label."""
    return printable(text).replace("#", "#35;").replace('"', "#quot;")
