"""Task versions and pipelines."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from taskmgr_core import documents
from taskmgr_core.errors import ConflictError, NotFoundError, nearest
from taskmgr_core.specs import PipelineSpec, TaskVersion
from taskmgr_core.stores.intact import intact


def add_versions(connection: sqlite3.Connection, versions: Sequence[TaskVersion]) -> bool:
    """See ``MetadataStore.add_versions``."""
    new = [each for each in versions if not _there_already(connection, each)]
    connection.executemany(
        "INSERT INTO task_versions (task, version, distribution, content, document)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (
                each.name,
                each.version,
                each.release.distribution,
                _content(each),
                documents.dumps(each),
            )
            for each in new
        ],
    )
    return bool(new)


def version(connection: sqlite3.Connection, task: str, wanted: str | None) -> TaskVersion:
    """See ``MetadataStore.version``."""
    row = connection.execute(
        "SELECT * FROM task_versions WHERE task = ? AND version = ?"
        if wanted
        else "SELECT * FROM task_versions WHERE task = ? ORDER BY published DESC LIMIT 1",
        (task, wanted) if wanted else (task,),
    ).fetchone()
    if row is not None:
        return _from_row(row)
    known = [each.version for each in versions(connection, task)]
    raise NotFoundError(f"task {task!r} has no version {wanted!r}; {nearest(str(wanted), known)}")


def versions(connection: sqlite3.Connection, task: str) -> list[TaskVersion]:
    """See ``MetadataStore.versions``."""
    rows = connection.execute(
        "SELECT * FROM task_versions WHERE task = ? ORDER BY published DESC", (task,)
    ).fetchall()
    if not rows:
        known = connection.execute("SELECT DISTINCT task FROM task_versions").fetchall()
        raise NotFoundError.named("task", task, (name for (name,) in known))
    return [_from_row(row) for row in rows]


def latest_versions(connection: sqlite3.Connection) -> list[TaskVersion]:
    """See ``MetadataStore.latest_versions``."""
    rows = connection.execute(
        "SELECT * FROM task_versions WHERE published IN"
        " (SELECT MAX(published) FROM task_versions GROUP BY task) ORDER BY task"
    )
    return intact(rows, _from_row)


def put_pipeline(connection: sqlite3.Connection, pipeline: PipelineSpec) -> bool:
    """See ``MetadataStore.put_pipeline``."""
    document = documents.dumps(pipeline)
    return (
        connection.execute(
            "INSERT INTO pipelines (name, document) VALUES (?, ?) ON CONFLICT (name)"
            " DO UPDATE SET document = excluded.document WHERE document <> excluded.document",
            (pipeline.pipeline, document),
        ).rowcount
        == 1
    )


def pipeline(connection: sqlite3.Connection, name: str) -> PipelineSpec:
    """See ``MetadataStore.pipeline``."""
    row = connection.execute("SELECT * FROM pipelines WHERE name = ?", (name,)).fetchone()
    if row is None:
        known = connection.execute("SELECT name FROM pipelines").fetchall()
        raise NotFoundError.named("pipeline", name, (each for (each,) in known))
    return _pipeline_from(row)


def pipelines(connection: sqlite3.Connection) -> list[PipelineSpec]:
    """See ``MetadataStore.pipelines``."""
    return intact(connection.execute("SELECT * FROM pipelines ORDER BY name"), _pipeline_from)


def _there_already(connection: sqlite3.Connection, wanted: TaskVersion) -> bool:
    other = connection.execute(
        "SELECT distribution FROM task_versions WHERE task = ? AND distribution <> ? LIMIT 1",
        (wanted.name, wanted.release.distribution),
    ).fetchone()
    if other is not None:
        raise ConflictError(
            f"the task {wanted.name!r} belongs to the distribution {other['distribution']!r}, not "
            f"to {wanted.release.distribution!r}; give the task another name"
        )
    rows = connection.execute(
        "SELECT task, content FROM task_versions WHERE distribution = ? AND version = ?",
        (wanted.release.distribution, wanted.version),
    ).fetchall()
    if any(row["content"] != _content(wanted) for row in rows):
        raise ConflictError(
            f"{wanted.release.distribution} {wanted.version} is published with other content; "
            "a published version never changes: raise the version in pyproject.toml"
        )
    return any(row["task"] == wanted.name for row in rows)


def _content(version: TaskVersion) -> str:
    """What makes two publishes the same: the wheel, the lock and the models."""
    release = version.release
    files = (release.wheel, release.lock, *sorted(release.models, key=lambda each: each.name))
    return " ".join(each.digest for each in files)


def _from_row(row: sqlite3.Row) -> TaskVersion:
    what = f"the stored version {row['version']} of task {row['task']!r}"
    return documents.loads(row["document"], TaskVersion, what)


def _pipeline_from(row: sqlite3.Row) -> PipelineSpec:
    return documents.loads(row["document"], PipelineSpec, f"the stored pipeline {row['name']!r}")
