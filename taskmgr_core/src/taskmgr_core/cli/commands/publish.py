"""``taskmgr publish``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.paths import is_pipeline_file
from taskmgr_core.cli.publishing_view import (
    PublishProgress,
    published_line,
    published_view,
    stages_line,
)
from taskmgr_core.cli.screen import Screen, plain
from taskmgr_core.cli.session import Session
from taskmgr_core.client import Client
from taskmgr_core.publishing import Published
from taskmgr_core.report.formats import counted


@click.command(
    "publish",
    cls=Command,
    examples=[
        "taskmgr publish plugins/face_detection",
        "taskmgr publish plugins/* pipelines/*.json",
        "taskmgr publish dist/taskmgr_greet-1.0.0-py3-none-any.whl",
    ],
)
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH...",
    help="A plugin's folder, its wheel, or a pipeline file.",
)
@click.option(
    "--vendor",
    is_flag=True,
    help="Store the wheels of the dependencies as well, for workers without an index.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Publish a version even if it breaks who uses an earlier one of the same major.",
)
@json_option
@click.pass_obj
def publish_command(
    session: Session, paths: tuple[Path, ...], vendor: bool, force: bool, as_json: bool
) -> None:
    """Publish plugins and pipelines.

    A plugin's wheel is built, its dependencies are locked with hashes, its
    virtualenv is built and its tasks are loaded once; then its tasks are
    registered. A published version never changes: raise the version to change
    it. Only its virtualenv is renewed, when it is published again with a
    taskmgr of another SDK, or where its Python is gone. A version whose inputs
    or outputs do not fit those of the version before it needs another major
    number (`taskmgr diff` shows why), or --force. A pipeline is checked
    against the published tasks. Plugins come before pipelines, however they
    are given.
    """
    done = []
    with session.client() as client:
        for path in sorted(paths, key=lambda each: is_pipeline_file(str(each))):
            if is_pipeline_file(str(path)):
                view, line = _publish_pipeline(client, path)
            else:
                view, line = _publish_plugin(client, session.screen, path, vendor, force)
            done.append(view)
            if not as_json:
                session.screen.line(plain(line))
    if as_json:
        session.screen.json({"published": done})


def _publish_plugin(
    client: Client, screen: Screen, path: Path, vendor: bool, force: bool
) -> tuple[dict[str, Any], str]:
    title = path.resolve().name
    with PublishProgress(screen, [title]) as progress:
        published = client.publish(path, progress.of(title), breaking=force, vendor=vendor)
    names = ", ".join(each.name for each in published.versions)
    stages = f"\n  {stages_line(published)}" if published.changed else ""
    waiting = "".join(f"\n  {each}" for each in _not_chosen(client, published))
    return published_view(published), f"{names} {published_line(published)}{stages}{waiting}"


def _not_chosen(client: Client, published: Published) -> Iterator[str]:
    """What to do about the tasks of which new runs get another version, as operators chose."""
    for each in published.versions if published.changed else ():
        choice = client.metadata.route(each.name).choice
        if choice.stable not in (None, each.version):
            yield (
                f"new runs of {each.name} get {choice.stable} until it is rolled out: "
                f"taskmgr rollout {each.name} {each.version}"
            )


def _publish_pipeline(client: Client, path: Path) -> tuple[dict[str, Any], str]:
    spec, changed = client.publish_pipeline(path)
    steps: Sequence[Any] = spec.steps
    view = {
        "kind": "pipeline",
        "changed": changed,
        "name": spec.pipeline,
        "steps": len(steps),
    }
    what = "published" if changed else "unchanged"
    return view, f"{spec.pipeline} {what}, {counted(len(steps), 'step')}"
