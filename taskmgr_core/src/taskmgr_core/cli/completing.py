"""Names and ids for the shell to complete; where they cannot be had there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from taskmgr_core.cli.session import Session

if TYPE_CHECKING:
    from taskmgr_core.client import Client

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

MOST_RUNS = 30


def names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Published tasks and pipelines, and files."""
    return _completed(ctx, incomplete, _names) or [CompletionItem(incomplete, type="file")]


def tasks(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Published tasks, and folders."""
    return _completed(ctx, incomplete, _tasks) or [CompletionItem(incomplete, type="dir")]


def tasks_alone(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Published tasks."""
    return _completed(ctx, incomplete, _tasks)


def models(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The names of weights."""
    return _completed(ctx, incomplete, _models)


def run_ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The short ids of the latest runs."""
    return _completed(ctx, incomplete, _runs)


def worker_ids(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The ids of the workers."""
    return _completed(ctx, incomplete, _workers)


def fields(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """``field=`` for each input of what is to be run that has no value yet; files behind it."""
    name = ctx.params.get("name") or ctx.params.get("task")
    field, equals, begun = incomplete.rpartition("=")
    if field or begun.startswith("@"):
        return _files(field + equals, begun)
    if equals or not isinstance(name, str):  # bash gives what is behind the = as a word of its own
        return [CompletionItem(begun, type="file")]
    given = [word.partition("=")[0] for word in ctx.params.get("inputs") or ()]

    def inputs(client: Client) -> Iterator[CompletionItem[str]]:
        for each in client.graph(name).inputs:
            if each not in given:
                yield CompletionItem(f"{each}=")

    return _completed(ctx, incomplete, inputs) or [CompletionItem(incomplete, type="file")]


def _files(before: str, begun: str) -> list[CompletionItem[str]]:
    """The files and folders whose path begins so, with what stands before it in the word."""
    path = begun.removeprefix("@")
    folder, slash, name = path.rpartition("/")
    before += begun[: len(begun) - len(path)] + folder + slash
    try:
        entries = sorted(Path(folder + slash or ".").expanduser().iterdir())
    except OSError:
        return []
    return [
        CompletionItem(f"{before}{each.name}{'/' if each.is_dir() else ''}")
        for each in entries
        if each.name.startswith(name) and each.name.startswith(".") == name.startswith(".")
    ]


def _completed(
    ctx: click.Context,
    incomplete: str,
    find: Callable[[Client], Iterator[CompletionItem[str]]],
) -> list[CompletionItem[str]]:
    """What is found in a home that is there already; looking makes none."""
    session = Session(home=ctx.find_root().params.get("home"))
    try:
        if not session.settings().is_begun:
            return []
        with session.client() as client:
            return [each for each in find(client) if each.value.startswith(incomplete)]
    except Exception:  # noqa: BLE001 - a shell that completes has no room for an error
        return []


def _names(client: Client) -> Iterator[CompletionItem[str]]:
    yield from _tasks(client)
    for pipeline in client.pipelines():
        yield CompletionItem(pipeline.pipeline, help=pipeline.description or "pipeline")


def _tasks(client: Client) -> Iterator[CompletionItem[str]]:
    for version in client.tasks():
        yield CompletionItem(version.name, help=version.task.description)


def _models(client: Client) -> Iterator[CompletionItem[str]]:
    for model in client.models.models():
        yield from map(CompletionItem, model.names)


def _workers(client: Client) -> Iterator[CompletionItem[str]]:
    for worker in client.workers():
        yield CompletionItem(worker.id)


def _runs(client: Client) -> Iterator[CompletionItem[str]]:
    from taskmgr_core.stores.metadata import RunFilter  # with the client, when it is needed

    for run in client.runs(RunFilter(limit=MOST_RUNS)):
        yield CompletionItem(run.id[-8:], help=f"{run.name} {run.status}")
