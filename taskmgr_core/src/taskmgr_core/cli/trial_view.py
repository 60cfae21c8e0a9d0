"""What is told of tasks that are tried out, once or on many cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.cases import Case, Difference, differences, failure_differences
from taskmgr_core.cli.arguments import read_inputs
from taskmgr_core.cli.cells import exact, is_records
from taskmgr_core.cli.endings import say_error
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.screen import Screen, plain, table
from taskmgr_core.cli.views import failure_view
from taskmgr_core.errors import InvalidValueError
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.graph import compile_task
from taskmgr_core.report.formats import counted, duration
from taskmgr_core.results import present
from taskmgr_core.specs import FieldSpec, TaskVersion
from taskmgr_core.trial import Trial, Tried
from taskmgr_core.uv import never

Line = dict[str, str]


class Lines:
    """The lines that a task writes: told on stderr as they come, and kept.

    Arguments:
        screen: the terminal.
    """

    def __init__(self, screen: Screen) -> None:
        self.kept: list[Line] = []
        self._screen = screen

    def __call__(self, more: Sequence[tuple[str, str]]) -> None:
        for stream, text in more:
            self.kept.append({"stream": stream, "text": text})
            self._screen.err.print(plain(text, "dim"), soft_wrap=True)


@attrs.frozen
class Judged:
    """A case and what came of it.

    Attributes:
        case: the case.
        tried: what came; None where its inputs do not fit.
        differences: why it failed; empty where it passed.
    """

    case: Case
    tried: Tried | None
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.differences

    @property
    def seconds(self) -> float:
        """How long the task took, without what was done once for all cases."""
        return self.tried.outcome.seconds.get("total", 0.0) if self.tried else 0.0


def cases_folder(words: Sequence[str], working: Path) -> Path | None:
    """The folder of cases that is given in place of inputs, if one is.

    Raises:
        InvalidValueError: there is more beside it.
    """
    folders = [each for each in words if "=" not in each and (working / each).is_dir()]
    if not folders:
        return None
    if len(words) > 1:
        raise InvalidValueError(
            f"{folders[0]} is a folder of cases, which have their own inputs; give it alone"
        )
    return working / folders[0]


def try_once(
    trial: Trial,
    version: TaskVersion,
    words: Sequence[str],
    lines: Lines,
    cancelled: Callable[[], bool] = never,
) -> Tried:
    """Run a task with the inputs that the words of a command line give.

    Raises:
        InvalidValueError: they cannot be read, or do not fit.
    """
    graph = compile_task(version)
    given = read_inputs(graph.inputs, words, Path.cwd(), graph.optional)
    return trial.run(version, given, lines, cancelled)


def try_case(
    trial: Trial,
    version: TaskVersion,
    case: Case,
    tolerance: float,
    lines: Lines,
    cancelled: Callable[[], bool] = never,
) -> Judged:
    """Run a task on a case and compare what comes with what is expected."""
    try:
        tried = trial.run(version, case.inputs, lines, cancelled, case.folder)
    except InvalidValueError as error:
        wanted = case.failure is not None
        found = failure_differences(case, "invalid-input", str(error)) if wanted else None
        return Judged(case, None, tuple(found or ()) if wanted else (_unexpected(error),))
    return Judged(case, tried, tuple(_differences(case, tried, tolerance)))


def _unexpected(error: Exception) -> Difference:
    return Difference("inputs", str(error))


def _differences(case: Case, tried: Tried, tolerance: float) -> list[Difference]:
    failure = tried.outcome.failure
    if failure is not None and case.failure is not None:
        return failure_differences(case, failure.code, failure.message)
    if failure is not None:
        trace = f"\n{failure.traceback.rstrip()}" if failure.traceback else ""
        return [Difference(failure.code, f"{failure.message}{trace}")]
    if case.failure is not None:
        return [Difference("failure", "expected one, and the task succeeded")]
    return differences(case, present(dict(tried.outputs)), tolerance)


def print_cases(screen: Screen, judged: Sequence[Judged]) -> None:
    """A table of all cases, and below it why some failed."""
    shown = table("case", "", "time", right=("time",), whole=("case",))
    for each in judged:
        status = screen.status("succeeded" if each.passed else "failed")
        status.plain = status.plain.replace("succeeded", "passed")
        shown.add_row(plain(each.case.name, "cyan"), status, duration(each.seconds))
    screen.print(shown)
    for each in judged:
        if not each.passed:
            screen.heading(each.case.name)
            for difference in each.differences:
                screen.line(plain(f"  {difference}".replace("\n", "\n  ")))
    failed = sum(not each.passed for each in judged)
    told = f"{counted(len(judged) - failed, 'case', 'cases')} passed"
    screen.line()
    screen.line(f"{told}, {failed} failed" if failed else told, style="bold")


def cases_view(version: TaskVersion, judged: Sequence[Judged]) -> dict[str, object]:
    """The same as JSON."""
    return {
        "task": version.name,
        "version": version.version,
        "passed": sum(each.passed for each in judged),
        "failed": sum(not each.passed for each in judged),
        "cases": [_case_view(each) for each in judged],
    }


def _case_view(judged: Judged) -> dict[str, object]:
    tried = judged.tried
    return {
        "case": judged.case.name,
        "passed": judged.passed,
        "differences": [attrs.asdict(each) for each in judged.differences],
        "outputs": present(dict(tried.outputs)) if tried else {},
        "seconds": dict(tried.outcome.seconds) if tried else {},
        "error": failure_view(tried.outcome.failure) if tried else None,
    }


def print_tried(screen: Screen, tried: Tried) -> None:
    """The outputs with their types, or why there are none; and the times."""
    outcome, version = tried.outcome, tried.version
    times = ", ".join(f"{name} {duration(seconds)}" for name, seconds in outcome.seconds.items())
    if outcome.failure is None:
        _print_outputs(screen, tried)
    else:
        if outcome.failure.traceback:
            screen.err.print(plain(outcome.failure.traceback.rstrip()), soft_wrap=True)
        say_error(f"{version.name} {outcome.failure.code}: {outcome.failure.message}")
    screen.err.print(plain(times, "dim"), soft_wrap=True)


def _print_outputs(screen: Screen, tried: Tried) -> None:
    outputs = present(dict(tried.outputs))
    shown = table("output", "type", "value", whole=("output",))
    for name, value in outputs.items():
        shown.add_row(plain(name, "cyan"), plain(tried.types[name], "dim"), plain(exact(value)))
    screen.print(shown)
    print_result(screen, {name: value for name, value in outputs.items() if is_records(value)})


def tried_view(tried: Tried) -> dict[str, object]:
    """What came of a trial as JSON."""
    return {
        "task": tried.version.name,
        "version": tried.version.version,
        "status": tried.outcome.status,
        "outputs": present(dict(tried.outputs)),
        "types": dict(tried.types),
        "seconds": dict(tried.outcome.seconds),
        "error": failure_view(tried.outcome.failure),
    }


def signature(version: TaskVersion) -> str:
    """What a task takes and gives, on one line: ``words(text: string) -> count: integer``."""
    task = version.task
    inputs = ", ".join(map(_taken, task.inputs))
    outputs = ", ".join(f"{each.name}: {type_name(each.schema)}" for each in task.outputs)
    return f"{task.name}({inputs}) -> {outputs}"


def _taken(field: FieldSpec) -> str:
    default: Any = "" if field.required else f" = {exact(field.default)}"
    return f"{field.name}: {type_name(field.schema)}{default}"


def sample_files(words: Sequence[str], working: Path) -> list[Path]:
    """The files and folders that the words of a command line name.

    Arguments:
        words: as ``read_inputs`` gets them.
        working: the folder that relative paths start from.
    """
    named = (each.partition("=")[2] or each for each in words if not each.startswith("{"))
    found = (working / Path(each.removeprefix("@")) for each in named if each)
    return [each for each in found if _is_there(each)]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a long text is no path
        return False
