"""Published tasks for the home of the dashboard's tests, at a fixed time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from taskmgr_core.specs import FieldSpec, Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_plugins import File, Image
from taskmgr_plugins.schemas import schema_of

if TYPE_CHECKING:
    from recorded_home import Home

AT = "2027-01-15T07:{:02}:00+00:00"
NUMBERS = {"type": "array", "items": {"type": "number"}}

# A task with a field of each kind: what the form is made for.
LABEL = (
    FieldSpec("picture", schema_of(Image)),
    FieldSpec("title", {"type": "string"}),
    FieldSpec("size", {"type": "integer", "minimum": 8, "maximum": 96}, False, 24),
    FieldSpec("place", schema_of(Literal["top", "bottom"]), False, "bottom"),
    FieldSpec("shadow", {"type": "boolean"}, False, True),
    FieldSpec("font", schema_of(File | None), False, None),
    FieldSpec("margins", NUMBERS, False, [4, 4]),
)


def version(
    home: Home,
    name: str,
    number: str,
    inputs: Sequence[FieldSpec],
    outputs: Mapping[str, Any],
    minute: int = 0,
    **options: Any,
) -> TaskVersion:
    """A version of a task."""
    stored = StoredFile(f"{name}.whl", home.table["$artifact"], 33)
    release = Release(
        f"taskmgr-{name.replace('_', '-')}", number, stored, stored, stored, (), "3.11", "linux",
        AT.format(minute),
    )  # fmt: skip
    made = tuple(FieldSpec(field, schema) for field, schema in outputs.items())
    return TaskVersion(TaskSpec(name, tuple(inputs), made, **options), release)


def publish(home: Home) -> None:
    """Record the tasks of ``weather``, one of them in three versions, and one for the form."""
    table, numbers = FieldSpec("table", schema_of(File)), FieldSpec("numbers", NUMBERS)
    said = "Read the numbers of a table."
    read = [
        version(home, "read_table", number, [table], {"numbers": NUMBERS}, minute, description=said)
        for minute, number in enumerate(("1.1.0", "1.2.0", "1.3.0"))
    ]
    lowest = FieldSpec("lowest", {"type": "number"}, False, 0)
    clean = version(home, "clean", "1.2.0", [numbers, lowest], {"kept": NUMBERS}, 3,
                    queue="numbers", description="Keep what is above the lowest.")  # fmt: skip
    mean = version(home, "mean", "1.2.0", [numbers], {"mean": {"type": "number"}}, 4,
                   queue="numbers", description="The mean of numbers.")  # fmt: skip
    plot = version(home, "plot", "1.2.0", [numbers], {"picture": schema_of(File)}, 5,
                   queue="vision", resources={"gpu": 1}, description="Draw numbers.")  # fmt: skip
    label = version(home, "label_picture", "0.3.0", LABEL, {"picture": schema_of(Image)}, 6,
                    description="Write a title into a picture.")  # fmt: skip
    home.client.metadata.add_versions([*read, clean, mean, plot, label])
    home.client.rollouts.roll_out("read_table", "1.2.0")
    home.client.rollouts.roll_out("read_table", "1.3.0", 20)
    home.client.rollouts.yank("read_table", "1.1.0", "reads the first row twice")
