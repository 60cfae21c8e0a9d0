"""What is different between two versions of a task, and whether it breaks who uses it: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs

from taskmgr_core.orchestrator.compatibility import problems_between, type_name
from taskmgr_core.specs import FieldSpec, TaskSpec

Kind = Literal["added", "removed", "changed"]

_OPTIONS = (
    *("description", "queue", "timeout", "priority", "memory_mb", "retries", "resources"),
    *("network", "max_batch_size", "max_batch_wait_ms", "cache", "max_concurrent", "rate"),
    "load_timeout",
)


@attrs.frozen
class Change:
    """One difference.

    Attributes:
        kind: what happened to it.
        place: what it is of, as ``input image`` or ``timeout``.
        text: what it was and what it is.
        breaking: whether a pipeline or program that fits the old version may not fit the new.
    """

    kind: Kind
    place: str
    text: str
    breaking: bool = False


def changes(old: TaskSpec, new: TaskSpec) -> tuple[Change, ...]:
    """What is different, the breaking first.

    An input may take more than before, and an output may be more particular; the other
    way round it breaks who gives the one or takes the other.

    Arguments:
        old: as it was.
        new: as it is.
    """
    found = [*_inputs(old, new), *_outputs(old, new), *_options(old, new), *_models(old, new)]
    return tuple(sorted(found, key=lambda each: not each.breaking))


def _inputs(old: TaskSpec, new: TaskSpec) -> Iterator[Change]:
    for before, after in _paired(old.inputs, new.inputs):
        if before is None and after is not None:
            needed = "required" if after.required else f"with the default {after.default!r}"
            text = f"{type_name(after.schema)}, {needed}"
            yield Change("added", f"input {after.name}", text, breaking=after.required)
        elif after is None and before is not None:
            yield Change("removed", f"input {before.name}", type_name(before.schema), breaking=True)
        elif before is not None and after is not None:
            yield from _field("input", before, after, problems_between(before.schema, after.schema))
            yield from _default(before, after)


def _outputs(old: TaskSpec, new: TaskSpec) -> Iterator[Change]:
    for before, after in _paired(old.outputs, new.outputs):
        if before is None and after is not None:
            yield Change("added", f"output {after.name}", type_name(after.schema))
        elif after is None and before is not None:
            text = type_name(before.schema)
            yield Change("removed", f"output {before.name}", text, breaking=True)
        elif before is not None and after is not None:
            problems = problems_between(after.schema, before.schema)
            yield from _field("output", before, after, problems)


def _field(
    what: str, before: FieldSpec, after: FieldSpec, problems: tuple[str, ...]
) -> Iterator[Change]:
    if problems:
        names = f"{type_name(before.schema)} -> {type_name(after.schema)}"
        text = f"{names}: {'; '.join(problems)}"
        yield Change("changed", f"{what} {before.name}", text, breaking=True)
    elif before.schema != after.schema:
        old, new = type_name(before.schema), type_name(after.schema)
        text = f"{old} -> {new}" if old != new else "its schema, in a way that fits"
        yield Change("changed", f"{what} {before.name}", text)


def _default(before: FieldSpec, after: FieldSpec) -> Iterator[Change]:
    place = f"input {before.name}"
    if after.required and not before.required:
        yield Change("changed", place, "it had a default and is required now", breaking=True)
    elif before.required and not after.required:
        yield Change("changed", place, f"it has the default {after.default!r} now")
    elif before.default != after.default:
        yield Change("changed", place, f"default {before.default!r} -> {after.default!r}")


def _options(old: TaskSpec, new: TaskSpec) -> Iterator[Change]:
    for name in _OPTIONS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change("changed", name, f"{_shown(before)} -> {_shown(after)}")


def _models(old: TaskSpec, new: TaskSpec) -> Iterator[Change]:
    before = {each.name: each for each in old.models}
    after = {each.name: each for each in new.models}
    for name in sorted(before.keys() | after.keys()):
        place = f"model {name}"
        if name not in before:
            yield Change("added", place, f"licence {after[name].licence}")
        elif name not in after:
            yield Change("removed", place, f"licence {before[name].licence}")
        elif before[name].sha256 != after[name].sha256:
            digests = f"sha256 {before[name].sha256[:12]} -> {after[name].sha256[:12]}"
            yield Change("changed", place, digests)
        elif before[name] != after[name]:
            yield Change("changed", place, "its licence, source or version")


def _paired(
    old: tuple[FieldSpec, ...], new: tuple[FieldSpec, ...]
) -> Iterator[tuple[FieldSpec | None, FieldSpec | None]]:
    before = {each.name: each for each in old}
    after = {each.name: each for each in new}
    for name in dict.fromkeys([*before, *after]):
        yield before.get(name), after.get(name)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={count}" for name, count in value.items()) or "none"
    return str(value) if value != "" else "none"
