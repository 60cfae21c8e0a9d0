"""What differs between two versions of a task, and what of it breaks who uses it."""

from typing import Any

import attrs
import pytest

from taskmgr_core.orchestrator.changes import changes
from taskmgr_core.specs import FieldSpec, ModelSpec, TaskSpec

NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
TEXT = {"type": "string"}
EITHER = {"anyOf": [NUMBER, TEXT]}
OLD = TaskSpec(
    "measure",
    (FieldSpec("size", NUMBER), FieldSpec("unit", TEXT, required=False, default="cm")),
    (FieldSpec("length", NUMBER), FieldSpec("note", TEXT)),
    models=(ModelSpec("net.onnx", "a" * 64, "MIT", "made here"),),
)


def with_side(side: str, fields: tuple[FieldSpec, ...]) -> TaskSpec:
    """The task with other inputs or outputs."""
    parts: dict[str, Any] = {side: fields}
    return attrs.evolve(OLD, **parts)


def changed(side: str, name: str, **parts: Any) -> TaskSpec:
    """The task with one field another."""
    fields = tuple(
        attrs.evolve(each, **parts) if each.name == name else each for each in getattr(OLD, side)
    )
    return with_side(side, fields)


def without(side: str, name: str) -> TaskSpec:
    """The task without a field."""
    fields = tuple(each for each in getattr(OLD, side) if each.name != name)
    return with_side(side, fields)


def added(side: str, **parts: Any) -> TaskSpec:
    """The task with one field more."""
    return with_side(side, (*getattr(OLD, side), FieldSpec("more", TEXT, **parts)))


def told(new: TaskSpec) -> list[tuple[str, str, bool]]:
    """Each change, without its text."""
    return [(each.kind, each.place, each.breaking) for each in changes(OLD, new)]


def test_same_task_has_no_changes() -> None:
    """A task is not different from itself."""
    assert changes(OLD, OLD) == ()


@pytest.mark.parametrize(
    ("new", "kind", "place", "breaking"),
    [
        (changed("inputs", "size", schema=INTEGER), "changed", "input size", True),
        (changed("inputs", "size", schema=EITHER), "changed", "input size", False),
        (changed("inputs", "unit", required=True, default=None), "changed", "input unit", True),
        (changed("inputs", "unit", default="mm"), "changed", "input unit", False),
        (without("inputs", "unit"), "removed", "input unit", True),
        (added("inputs"), "added", "input more", True),
        (added("inputs", required=False), "added", "input more", False),
        (changed("outputs", "length", schema=INTEGER), "changed", "output length", False),
        (changed("outputs", "length", schema=TEXT), "changed", "output length", True),
        (without("outputs", "note"), "removed", "output note", True),
        (added("outputs"), "added", "output more", False),
        (attrs.evolve(OLD, timeout=5.0), "changed", "timeout", False),
        (attrs.evolve(OLD, resources={"gpu": 1}), "changed", "resources", False),
        (
            attrs.evolve(OLD, models=(ModelSpec("net.onnx", "b" * 64, "MIT", "made here"),)),
            "changed",
            "model net.onnx",
            False,
        ),
        (attrs.evolve(OLD, models=()), "removed", "model net.onnx", False),
    ],
)  # fmt: skip
def test_change_is_told_and_judged(new: TaskSpec, kind: str, place: str, breaking: bool) -> None:
    """Inputs may take more, outputs may be more particular; the other way round breaks somebody."""
    assert told(new) == [(kind, place, breaking)]


def test_breaking_changes_come_first() -> None:
    """Whoever reads the list sees first what they have to do something about."""
    new = attrs.evolve(without("outputs", "length"), description="other", timeout=1.0)
    assert [each.breaking for each in changes(OLD, new)] == [True, False, False]


def test_text_names_both_types() -> None:
    """A type that does not fit is told with the old and the new one."""
    (found,) = changes(OLD, changed("inputs", "size", schema=TEXT))
    assert found.text.startswith("number -> string")
