"""``taskmgr publish``."""

from __future__ import annotations

from collections.abc import Sequence
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
@json_option
@click.pass_obj
def publish_command(session: Session, paths: tuple[Path, ...], as_json: bool) -> None:
    """Publish plugins and pipelines.

    A plugin's wheel is built, its dependencies are locked with hashes, its
    virtualenv is built and its tasks are loaded once; then its tasks are
    registered. A published version never changes: raise the version to change
    it. Only its virtualenv is renewed, when it is published again with a
    taskmgr of another SDK, or where its Python is gone. A pipeline is checked
    against the published tasks. Plugins come before pipelines, however they
    are given.
    """
    done = []
    with session.client() as client:
        for path in sorted(paths, key=lambda each: is_pipeline_file(str(each))):
            if is_pipeline_file(str(path)):
                view, line = _publish_pipeline(client, path)
            else:
                view, line = _publish_plugin(client, session.screen, path)
            done.append(view)
            if not as_json:
                session.screen.line(plain(line))
    if as_json:
        session.screen.json({"published": done})


def _publish_plugin(client: Client, screen: Screen, path: Path) -> tuple[dict[str, Any], str]:
    title = path.resolve().name
    with PublishProgress(screen, [title]) as progress:
        published = client.publish(path, progress.of(title))
    names = ", ".join(each.name for each in published.versions)
    stages = f"\n  {stages_line(published)}" if published.changed else ""
    return published_view(published), f"{names} {published_line(published)}{stages}"


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
