"""The reference has everything that the sources have, and nothing else."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import attrs
import pytest
from doc_pages import DOCS, ROOT
from doc_tables import code, codes, rows

import taskmgr_core
import taskmgr_plugins
from taskmgr_core import errors, runners, specs, uv_settings
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_plugins import (
    Array,
    Box,
    File,
    Image,
    Model,
    Points,
    ValueType,
    events,
    hookspecs,
    protocol,
)
from taskmgr_plugins.schemas import named_types, schema_of
from taskmgr_plugins.tasks import Options

REFERENCE = DOCS / "reference"
SDK = REFERENCE / "sdk.md"
HOOKS = REFERENCE / "hooks.md"
FAILURES = REFERENCE / "failures.md"
PIPELINES = REFERENCE / "pipelines.md"
SOURCES = Path(taskmgr_core.__file__).parent


class Colour(Enum):
    """The enum of the table of field types."""

    RED = "red"


@attrs.frozen
class Word:
    """The attrs class of the table of field types."""

    text: str
    count: int


NAMES: Mapping[str, Any] = MappingProxyType(
    {
        **{each.__name__: each for each in (Array, Box, Colour, File, Image, Points, Word)},
        "Any": Any,
        "Literal": Literal,
        "Sequence": Sequence,
    }
)


def test_settings_page_is_written_from_the_table() -> None:
    """The page is what scripts/reference.py prints."""
    script = ROOT / "scripts" / "reference.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, check=True)
    assert (REFERENCE / "settings.md").read_text() == printed.stdout.decode()


def test_page_of_the_rest_api_is_written_from_the_openapi_file() -> None:
    """The page is what scripts/rest_reference.py prints."""
    script = ROOT / "scripts" / "rest_reference.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, check=True)
    assert (REFERENCE / "rest-api.md").read_text() == printed.stdout.decode()


# the SDK


def _hooks() -> list[str]:
    return [name for name, each in vars(hookspecs).items() if hasattr(each, "taskmgr_spec")]


@pytest.mark.parametrize("hook", _hooks())
def test_hook_is_documented_and_tested(hook: str) -> None:
    """The page has the line of the source that declares the hook, and a test implements it."""
    lines = inspect.getsource(getattr(hookspecs, hook)).splitlines()
    declared = next(line for line in lines if line.startswith("def "))
    page = HOOKS.read_text().splitlines()
    assert declared.partition("  #")[0] in page
    assert f"## {hook}" in page
    own = Path(__file__)
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != own]
    assert any(f"def {hook}(" in path.read_text() for path in tests)


@pytest.mark.parametrize(
    "told",
    [
        events.Notification,
        events.Publication,
        events.RunEnded,
        events.RunStarted,
        events.StepEnded,
        events.StepStarted,
        ValueType,
    ],
    ids=lambda each: each.__name__,
)
def test_attributes_that_hooks_see_are_documented(told: type) -> None:
    """The page has a table with each attribute in its order."""
    text = HOOKS.read_text().partition(f"| attribute of `{told.__name__}` |")[2]
    table = text.partition("\n\n")[0].splitlines()[2:]
    shown = [line.split("|")[1].strip(" `") for line in table]
    assert shown == [each.name for each in attrs.fields(told)]


def test_every_kind_of_notification_is_documented() -> None:
    """The table has exactly those that there are."""
    kinds = re.findall(r"^\| `([a-z]+-[a-z]+)` \|", HOOKS.read_text(), re.MULTILINE)
    assert sorted(kinds) == sorted(get_args(events.NotificationKind))


def test_every_protocol_is_documented() -> None:
    """The table has each protocol that a worker speaks."""
    page = (REFERENCE / "compatibility.md").read_text()
    shown = [int(each) for each in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert shown == list(range(protocol.OLDEST, protocol.VERSION + 1))


@pytest.mark.parametrize("name", taskmgr_plugins.__all__)
def test_name_of_the_sdk_is_documented(name: str) -> None:
    """Whatever an author can import stands on the page."""
    assert re.search(rf"`@?{name}\b", SDK.read_text())


def test_options_are_documented_with_their_defaults() -> None:
    """The table has each option in its order, with the default that is in force."""
    shown = [(code(row[0]), ast.literal_eval(code(row[1]))) for row in rows(SDK, "Options")]
    assert shown == [(each.name, each.default) for each in attrs.fields(Options)]


def test_attributes_of_a_model_are_documented() -> None:
    """The table has each attribute in its order."""
    shown = [code(row[0]) for row in rows(SDK, "Models")]
    assert shown == [each.name for each in attrs.fields(Model)]


@pytest.mark.parametrize("row", rows(SDK, "Field types"), ids=lambda row: code(row[0]))
def test_json_of_a_field_type_fits_it(row: list[str]) -> None:
    """The JSON that stands beside an annotation is a value of it."""
    annotation = eval(code(row[0]), dict(NAMES))  # noqa: S307 - our own page
    document = json.loads(code(row[1]))
    assert Validator().validate(document, schema_of(annotation), "value") == ()


def test_every_field_type_is_documented() -> None:
    """The table has the types that JSON has no word for, and the scalars."""
    shown = {code(row[0]) for row in rows(SDK, "Field types")}
    wanted = {each for each in named_types() if each[0].isupper()}
    assert shown >= wanted | {"bool", "int", "float", "str", "None", "Any"}


# pipelines


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Keys of the file", specs.PipelineSpec),
        ("Steps", specs.StepSpec),
        ("Result", specs.ResultSpec),
        ("Retry", specs.RetrySpec),
        ("Switch", specs.SwitchSpec),
        ("Repeat", specs.RepeatSpec),
    ],
)
def test_key_of_a_pipeline_is_documented(heading: str, model: type) -> None:
    """The table has exactly the keys that the file may have, and which are required."""
    fields = attrs.fields(attrs.resolve_types(model))
    required = {each.name: each.default is attrs.NOTHING for each in fields}
    shown = {
        code(row[0]): row[1] == "required"
        for row in rows(PIPELINES, heading)
        if code(row[0]) not in ("total_time", "parallel_speedup", "data_lineage")
    }
    assert shown == required


def test_type_of_a_pipeline_input_is_documented() -> None:
    """The table has exactly the types that a file may name."""
    shown = {name for row in rows(PIPELINES, "Types") for name in codes(row[0])}
    assert shown == set(named_types())


# failures


def _calls(name: str) -> Iterator[ast.Call]:
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield node


def _codes() -> set[str]:
    """Every code that the sources give a failure."""
    given = [
        *(call.args[0] for call in _calls("Failure") if call.args),
        *(call.args[1] for call in _calls("RunnerError") if len(call.args) > 1),
    ]
    texts = {node.value for node in given if isinstance(node, ast.Constant)}
    computed = [node for node in given if isinstance(node, ast.Call)]
    assert len(computed) == 1, "a code that is computed: look at how this test finds them"
    default = computed[0].args[1]
    assert isinstance(default, ast.Constant)
    return {str(each) for each in texts} | set(runners._CODES.values()) | {str(default.value)}


def test_code_of_a_failure_is_documented() -> None:
    """The table, and the headings below it, have exactly the codes that the sources give."""
    shown = [code(row[0]) for row in rows(FAILURES, "Failures")]
    headings = re.findall(r"^### (.*)$", FAILURES.read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(_codes())
    assert headings == shown


def test_error_of_the_platform_is_documented() -> None:
    """The table has each error class that a client may raise."""
    shown = {code(row[0]) for row in rows(FAILURES, "Errors of commands")[2:]}
    raised = {each for each in errors.__all__ if each.endswith("Error")} - {"TaskmgrError"}
    assert shown == raised


# files, and settings of pip


def test_file_of_the_home_is_documented() -> None:
    """The table has each file and folder that the sources make in the home."""
    text = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    made = set(re.findall(r'home(?:\(\w+\)|_source\.value\))? / "([\w.]+)"', text))
    assert made >= {"artifacts", "config.toml", "logs", "metadata.sqlite3"}
    shown = {code(row[0]) for row in rows(REFERENCE / "files.md", "Files")}
    assert made - shown == set()


def test_setting_of_pip_is_documented() -> None:
    """The table has each setting that is carried over, where to, and what goes before it."""
    page = DOCS / "how-to" / "use-a-private-index.md"
    shown = {
        code(row[0]): (code(row[1]), codes(row[2]))
        for row in rows(page, "What is carried over from pip")
    }
    carried = {each.pip[0]: (each.uv, _upper(each.unless)) for each in uv_settings._CARRIED}
    assert shown == {**carried, "no-index": ("--no-index", shown["no-index"][1])}


def _upper(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.isupper()]
