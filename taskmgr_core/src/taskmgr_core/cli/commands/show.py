"""``taskmgr show``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.text import Text

from taskmgr_core.cli.cells import cell, is_records
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import (
    json_option,
    png_option,
    report_option,
    run_argument,
    save_option,
)
from taskmgr_core.cli.pictures import write_files
from taskmgr_core.cli.results_view import print_result
from taskmgr_core.cli.screen import Screen, facts, plain, short_id, table, took
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.timings import print_timings
from taskmgr_core.cli.views import detail_view
from taskmgr_core.report.formats import moment, short_digest, shortened, size, with_failed
from taskmgr_core.results import present
from taskmgr_core.specs import SUMMARY_ENTRY, Failure, FieldValue, RunDetail, Step

VALUE_LENGTH = 48
MESSAGE_LENGTH = 200


@click.command(
    "show",
    cls=Command,
    examples=[
        "taskmgr show 3f9a2c1b",
        "taskmgr show 3f9a2c1b --report report.html --png faces.png",
        "taskmgr show 3f9a2c1b --save outputs",
        "taskmgr show 3f9a2c1b --json | jq .result",
    ],
)
@run_argument
@json_option
@report_option
@png_option
@save_option
@click.pass_obj
def show_command(
    session: Session,
    run: str,
    as_json: bool,
    report: Path | None,
    png: Path | None,
    save: Path | None,
) -> None:
    """Show all that is recorded of a run."""
    with session.client() as client:
        detail = client.detail(run)
        if as_json:
            session.screen.json(detail_view(detail))
        elif report is None and png is None and save is None:
            _print(session.screen, detail)
        write_files(session.screen, detail, client.artifacts.local_path, report, png, save)


def _print(screen: Screen, detail: RunDetail) -> None:
    _print_head(screen, detail)
    _print_values(screen, "inputs", _inputs(detail))
    screen.heading("steps")
    print_timings(screen, detail)
    _print_values(screen, "outputs", [each for each in detail.values if _is_output(each)])
    _print_result(screen, detail)
    _print_failures(screen, detail)


def _print_head(screen: Screen, detail: RunDetail) -> None:
    run = detail.run
    rows: list[tuple[str, str | Text]] = [
        ("run", run.id),
        (run.kind, run.name),
        ("status", screen.status(run.status)),
        ("submitted", moment(run.created_at)),
        ("time", took(run.created_at, run.finished_at)),
    ]
    if detail.problem:
        rows.append(("problem", detail.problem))
    if run.retry_of:
        rows.append(("again", f"of run {run.retry_of}, what succeeded is taken over from there"))
    if run.cancel_requested:
        rows.append(("", "somebody asked to cancel it"))
    screen.print(facts(rows))


def _print_result(screen: Screen, detail: RunDetail) -> None:
    """The result; that of a single task stands among the outputs, but for its lists."""
    result = dict(present(detail.result or {}))
    if detail.run.kind == "task":
        result = {name: value for name, value in result.items() if is_records(value)}
    elif result:
        result.pop(SUMMARY_ENTRY, None)
        screen.heading("result")
    if result:
        print_result(screen, result)


def _inputs(detail: RunDetail) -> list[FieldValue]:
    return [each for each in detail.values if each.port in detail.run.graph.inputs]


def _is_output(value: FieldValue) -> bool:
    return bool(value.producer) and not value.source


def _print_values(screen: Screen, heading: str, values: list[FieldValue]) -> None:
    if not values:
        return
    screen.heading(heading)
    shown = table("port", "type", "size", "digest", "value", right=("size",), whole=("port",))
    for each in values:
        shown.add_row(
            plain(each.port),
            plain(each.type),
            size(each.size),
            short_digest(each.digest),
            plain(cell(present(each.document), VALUE_LENGTH)),
        )
    screen.print(shown)


def _print_failures(screen: Screen, detail: RunDetail) -> None:
    """Every failed attempt, with the task's own traceback."""
    for step in detail.steps:
        last = [step.failure] if step.failure else []
        for number, failure in enumerate([*step.failures, *last], start=1):
            screen.heading(f"{step.id} {step.task}, failure {number}: {failure.code}")
            _print_failure(screen, failure)
    for step in detail.steps:
        if step.failed.count:
            repeats = detail.run.graph.step(step.id).repeat is not None
            _print_failed_elements(screen, step, "iteration" if repeats else "element")
    if detail.run.failure is not None and not any(each.failure for each in detail.steps):
        screen.heading(f"failure: {detail.run.failure.code}")
        _print_failure(screen, detail.run.failure)


def _print_failed_elements(screen: Screen, step: Step, noun: str) -> None:
    """How many of a step's elements failed, and why the first of them did."""
    told = with_failed(step.elements or 0, noun, step.failed.count)
    screen.heading(f"{step.id} {step.task}: {told}")
    shown = table(noun, "code", "message", right=(noun,), whole=(noun, "code"))
    for each in step.failed.first:
        code = each.failure.code if each.failure else ""
        message = shortened(each.failure.message, MESSAGE_LENGTH) if each.failure else ""
        shown.add_row(plain(str(each.index)), plain(code), plain(message))
    screen.print(shown)
    more = step.failed.count - len(step.failed.first)
    if more:
        logs = f"taskmgr logs {short_id(step.run)}"
        screen.line(f"... and {more} more; {logs} has all of them", style="dim")


def _print_failure(screen: Screen, failure: Failure) -> None:
    screen.line(plain(failure.message))
    if failure.traceback:
        screen.line(plain(failure.traceback.rstrip(), "dim"))
    for name, value in failure.details.items():
        if value not in failure.traceback:
            screen.line(plain(f"{name}: {value}", "dim"))
