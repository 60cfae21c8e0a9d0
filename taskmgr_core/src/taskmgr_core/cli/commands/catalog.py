"""``taskmgr list`` and ``taskmgr info``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from taskmgr_core.cli import completing
from taskmgr_core.cli.cells import cell
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.paths import is_pipeline_file
from taskmgr_core.cli.run_examples import run_example
from taskmgr_core.cli.screen import Screen, facts, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.signatures_view import signature_line, signature_view
from taskmgr_core.cli.views import graph_view, task_view
from taskmgr_core.client import Client
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.pipelines import load_pipeline
from taskmgr_core.report.formats import counted, duration, short_digest
from taskmgr_core.signing.verifying import Verdict
from taskmgr_core.specs import (
    LOAD_TIMEOUT,
    FieldSpec,
    Graph,
    GraphStep,
    PipelineSpec,
    ResultSpec,
    TaskVersion,
    group_of,
    input_port,
    output_port,
)
from taskmgr_plugins.host import InstalledTask, installed_tasks


@click.command(
    "list",
    cls=Command,
    examples=["taskmgr list", "taskmgr list --json | jq -r '.tasks[].name'"],
)
@json_option
@click.pass_obj
def list_command(session: Session, as_json: bool) -> None:
    """List the published tasks and pipelines.

    A plugin that is installed beside taskmgr is marked; tasks run in
    virtualenvs of their own, and it need not be.
    """
    with session.client() as client:
        tasks, pipelines = client.tasks(), client.pipelines()
    installed = {each.task: each for each in installed_tasks()}
    if as_json:
        session.screen.json(_listed(tasks, pipelines, installed))
        return
    _print_tasks(session.screen, tasks, installed)
    _print_pipelines(session.screen, pipelines)
    _print_unpublished(session.screen, tasks, installed)


def _listed(
    tasks: Iterable[TaskVersion],
    pipelines: Iterable[PipelineSpec],
    installed: Mapping[str, InstalledTask],
) -> dict[str, Any]:
    return {
        "tasks": [
            {
                "name": each.name,
                "version": each.version,
                "queue": each.task.queue,
                "description": each.task.description,
                "distribution": each.release.distribution,
                "published_at": each.release.published_at,
                "installed": installed[each.name].version if each.name in installed else None,
            }
            for each in tasks
        ],
        "pipelines": [
            {
                "name": each.pipeline,
                "steps": len(each.steps),
                "tasks": [step.task or step.pipeline for step in each.steps],
                "description": each.description,
            }
            for each in pipelines
        ],
        "installed": [
            {"name": each.task, "version": each.version, "distribution": each.distribution}
            for each in installed.values()
        ],
    }


def _print_tasks(
    screen: Screen, tasks: list[TaskVersion], installed: Mapping[str, InstalledTask]
) -> None:
    if not tasks:
        screen.line("no tasks are published; `taskmgr create NAME` writes a plugin to begin with")
        return
    names = ("task", "version", "queue")
    marked = any(each.name in installed for each in tasks)
    shown = table(*names, *(("installed",) if marked else ()), "description", whole=names)
    for each in tasks:
        mark = [installed[each.name].version if each.name in installed else ""] if marked else []
        shown.add_row(
            plain(each.name, "cyan"),
            plain(each.version),
            plain(each.task.queue),
            *mark,
            plain(each.task.description),
        )
    screen.print(shown)


def _print_pipelines(screen: Screen, pipelines: list[PipelineSpec]) -> None:
    if not pipelines:
        return
    shown = table("pipeline", "steps", "description", right=("steps",), whole=("pipeline",))
    for each in pipelines:
        text = each.description or ", ".join(step.task or step.pipeline for step in each.steps)
        shown.add_row(plain(each.pipeline, "cyan"), str(len(each.steps)), plain(text))
    screen.print("", shown)


def _print_unpublished(
    screen: Screen, tasks: list[TaskVersion], installed: Mapping[str, InstalledTask]
) -> None:
    published = {each.name for each in tasks}
    others = [each for name, each in installed.items() if name not in published]
    if others:
        screen.line()
        screen.line("installed here and not published:", "dim")
        for each in others:
            screen.line(plain(f"  {each.task}  ({each.distribution} {each.version})", "dim"))


@click.command(
    "info",
    cls=Command,
    examples=[
        "taskmgr info face_detection",
        "taskmgr info face_processing",
        "taskmgr info pipelines/face_processing.json --json",
    ],
)
@click.argument(
    "name",
    help="A published task or pipeline, or a pipeline file.",
    shell_complete=completing.names,
)
@click.option("--version", metavar="V", help="The version of a task; else the highest final one.")
@json_option
@click.pass_obj
def info_command(session: Session, name: str, version: str | None, as_json: bool) -> None:
    """Show a task or pipeline: inputs, outputs, versions.

    Of a task its inputs and outputs with their types, its versions, its models
    with their licences; of a pipeline its steps, and where each port takes its
    value from.
    """
    with session.client() as client:
        pipeline = _pipeline(client, name)
        if pipeline is not None:
            graph = client.graph(pipeline)
            if as_json:
                session.screen.json(graph_view(graph, pipeline.description))
            else:
                _print_graph(session.screen, graph, pipeline.description)
            return
        client.graph(name, version)  # tells the nearest task or pipeline
        task, versions = client.metadata.version(name, version), client.metadata.versions(name)
    if as_json:
        signature = signature_view(session.verifier().judge(task, name, version))
        session.screen.json({**task_view(task, versions), "signature": signature})
    else:
        _print_task(session.screen, task, versions, session.verifier().judge(task, name, version))


def _pipeline(client: Client, name: str) -> PipelineSpec | None:
    if is_pipeline_file(name):
        return load_pipeline(Path(name), client.metadata.version, client.metadata.pipeline)
    return next((each for each in client.pipelines() if each.pipeline == name), None)


def _print_task(
    screen: Screen, version: TaskVersion, versions: Iterable[TaskVersion], verdict: Verdict
) -> None:
    task, release = version.task, version.release
    rows = [
        ("task", task.name),
        ("version", version.version),
        ("versions", ", ".join(each.version for each in versions)),
        ("plugin", f"{release.distribution}  {release.wheel.name}"),
        ("wheel", f"sha256 {short_digest(release.wheel.digest)}"),
        ("built for", f"Python {release.python}, {release.platform}"),
        ("published", release.published_at),
        ("signed", signature_line(verdict)),
        ("queue", f"{task.queue}, priority {task.priority}"),
        ("limits", f"{duration(task.timeout)}, {task.memory_mb} MB, {_retries(task.retries)}"),
        ("network", "yes" if task.network else "no"),
    ]
    if task.load_timeout != LOAD_TIMEOUT:
        rows.append(("loading", f"within {duration(task.load_timeout)}"))
    if task.max_batch_size > 1:
        gathered = f"up to {task.max_batch_size} calls, gathered for {task.max_batch_wait_ms:g} ms"
        rows.append(("batches", gathered))
    if task.max_concurrent or task.rate:
        at_once = f"{task.max_concurrent} at once" if task.max_concurrent else ""
        rows.append(("on all workers", ", ".join(filter(None, (at_once, task.rate)))))
    if task.cache:
        rows.append(("cache", task.cache))
    if task.description:
        screen.line(plain(task.description))
        screen.line()
    screen.print(facts(rows))
    _print_fields(screen, "inputs", task.inputs)
    _print_fields(screen, "outputs", task.outputs)
    if task.models:
        screen.heading("models")
        shown = table("file", "licence", "source", whole=("file", "licence"))
        for each in task.models:
            shown.add_row(plain(each.name), plain(each.licence), plain(each.source))
        screen.print(shown)
    needed = {each.name: each.schema for each in task.inputs if each.required}
    screen.heading("example")
    screen.line(plain(run_example(task.name, needed)))


def _retries(count: int) -> str:
    return counted(count, "retry", "retries") if count else "no retries"


def _print_fields(screen: Screen, heading: str, fields: Iterable[FieldSpec]) -> None:
    screen.heading(heading)
    shown = table("field", "type", "default", whole=("field",))
    for each in fields:
        default = "" if each.required else cell(each.default)
        shown.add_row(plain(each.name, "cyan"), plain(type_name(each.schema)), plain(default))
    screen.print(shown)


def _print_graph(screen: Screen, graph: Graph, description: str) -> None:
    screen.line(plain(graph.name, "bold"))
    if description:
        screen.line(plain(description))
    screen.heading("inputs")
    shown = table("field", "type", "", whole=("field",))
    for name, schema in graph.inputs.items():
        optional = "optional" if name in graph.optional else ""
        shown.add_row(plain(name, "cyan"), plain(type_name(schema)), plain(optional, "dim"))
    screen.print(shown)
    for step in graph.steps:
        _print_step(screen, graph, step)
    screen.heading("result")
    for name, entry in graph.result.items():
        screen.print(facts([(name, _result(entry))]))
    screen.heading("example")
    needed = {name: each for name, each in graph.inputs.items() if name not in graph.optional}
    screen.line(plain(run_example(graph.name, needed)))


def _print_step(screen: Screen, graph: Graph, step: GraphStep) -> None:
    group = graph.groups.get(group_of(step.id))
    about = [f"queue {step.queue}", *([f"of {group}"] if group else [])]
    if step.map:
        about.append(f"for each of {step.map}")
    if step.repeat is not None:
        about.append(f"until {step.repeat.until}, {counted(step.repeat.max, 'time')} at most")
    screen.heading(f"{step.id}  {step.task} {step.version}", ", ".join(about))
    shown = table("port", "type", "takes its value from", whole=("port",))
    for field, source in step.inputs.items():
        port = input_port(step.id, field)
        origin = source.port or f"the constant {cell(source.constant)}"
        shown.add_row(plain(port), plain(type_name(graph.schemas[port])), plain(origin, "cyan"))
    for field in step.outputs:
        port = output_port(step.id, field)
        shown.add_row(plain(port), plain(type_name(graph.schemas[port])), "")
    screen.print(shown)


def _result(entry: str | ResultSpec) -> str:
    if isinstance(entry, str):
        return entry
    ports = ", ".join(f"{name} = {port}" for name, port in entry.ports.items())
    return f"joined on {entry.join}: {ports}"
