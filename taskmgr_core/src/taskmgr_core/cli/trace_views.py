"""A lineage over many runs as a tree and as a Mermaid chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text
from rich.tree import Tree

from taskmgr_core.cli.lineage_views import identifier, quoted
from taskmgr_core.cli.screen import short_id
from taskmgr_core.report.formats import counted, printable, short_digest, size
from taskmgr_core.specs import FieldValue
from taskmgr_core.stores.metadata import Role, roles_of
from taskmgr_core.tracing import Page, Part

TITLES = {"made_from": "made from", "led_to": "led to"}

# A tree that is deeper has no room to the right of it.
DEEPEST = 12

_LEAVING: Mapping[str, Role] = {"made_from": "given file", "led_to": "made file"}
_ENTERING: Mapping[str, Role] = {"made_from": "made file", "led_to": "given file"}


def page_tree(page: Page, names: Mapping[str, str], title: str) -> Tree:
    """Each run below the file through which the lineage came into it.

    Arguments:
        page: the parts to show.
        names: the name of each run.
        title: stands at the root.
    """
    tree = Tree(Text.assemble((printable(title), "bold")), guide_style="dim")
    leaving = _LEAVING[page.direction]
    # Where a file leaves a run: the branch of its value, and how deep that is.
    branches: dict[str, tuple[Tree, int]] = {}
    for part in page.parts:
        if not worth_telling(part):
            continue
        through = [each for each in part.through if each != page.digest]
        parent, depth = next((branches[each] for each in through if each in branches), (tree, 0))
        branch = parent.add(_run_label(part, names[part.run], through))
        for value in part.reached:
            if value.source:
                continue
            leaf = branch.add(_value_label(value))
            for digest, role in roles_of(value).items():
                if role == leaving and depth < DEEPEST:
                    branches.setdefault(digest, (leaf, depth + 1))
        if part.not_followed:
            branch.add(Text(_not_followed(part), style="yellow"))
    return tree


def worth_telling(part: Part) -> bool:
    """Whether there is more to tell than that a run made what was asked for."""
    return bool(part.reached or part.not_followed) or any(
        not each.producer for each in part.entered
    )


def _run_label(part: Part, name: str, through: Sequence[str]) -> Text:
    label = Text.assemble((f"run {short_id(part.run)}", "cyan"), f"  {printable(name)}")
    ports = ", ".join(each.port for each in part.entered)
    label.append(f"  {ports}", style="dim")
    if through:
        label.append(f"  {', '.join(short_digest(each) for each in through)}", style="dim")
    return label


def _value_label(value: FieldValue) -> Text:
    return Text.assemble(
        value.port,
        f"  {printable(value.type)}",
        (f"  {size(value.size)}  {short_digest(value.digest)}", "dim"),
    )


def _not_followed(part: Part) -> str:
    count = counted(len(part.not_followed), "file")
    first = short_digest(part.not_followed[0])
    return f"{count} not followed from here on; each by itself: --of {first}"


def traces_mermaid(pages: Sequence[Page], names: Mapping[str, str]) -> str:
    """A Mermaid flowchart: each run with its ports, its edges, and the files between runs."""
    return "\n".join(_mermaid(pages, names))


def _mermaid(pages: Sequence[Page], names: Mapping[str, str]) -> Iterator[str]:
    ports: dict[str, dict[str, FieldValue]] = {}
    edges: dict[tuple[str, str], None] = {}
    for page in pages:
        for part in page.parts:
            values = {each.port: each for each in (*part.entered, *part.reached)}
            ports.setdefault(part.run, {}).update(values)
            for edge in part.edges:
                edges[_node(part.run, edge.source), _node(part.run, edge.target)] = None
        edges.update(dict.fromkeys(_links(page)))
    yield "flowchart LR"
    for run in sorted(ports):
        yield f'  subgraph {_run(run)}["{quoted(f"run {short_id(run)} {names[run]}")}"]'
        for port, value in ports[run].items():
            yield f'    {_node(run, port)}["{quoted(f"{port}: {value.type}")}"]'
        yield "  end"
    for source, target in edges:
        yield f"  {source} --> {target}"


def _links(page: Page) -> Iterator[tuple[str, str]]:
    """From the port where a file was made to the port of the run that it was given to."""
    leaving, entering = _LEAVING[page.direction], _ENTERING[page.direction]
    left: dict[str, list[str]] = {}
    for part in page.parts:
        for value in (*part.entered, *part.reached):
            roles = roles_of(value)
            for digest in part.through:
                for other in left.get(digest, ()) if roles.get(digest) == entering else ():
                    here = _node(part.run, value.port)
                    yield (here, other) if page.direction == "made_from" else (other, here)
        for value in part.reached:
            for digest, role in roles_of(value).items():
                if role == leaving:
                    left.setdefault(digest, []).append(_node(part.run, value.port))


def _run(run: str) -> str:
    return f"r_{run.replace('-', '')}"


def _node(run: str, port: str) -> str:
    return f"{_run(run)}_{identifier(port)}"
