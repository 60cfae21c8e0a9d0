"""Task versions and pipelines."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import ConflictError, NotFoundError
from taskmgr_core.orchestrator.routing import rank
from taskmgr_core.specs import PipelineSpec, Route, TaskSpec, TaskVersion
from taskmgr_core.stores import releases
from taskmgr_core.stores.records import PUBLISH_AGAIN, ROUTE_AGAIN, intact, remembered


def add_versions(connection: sqlite3.Connection, versions: Sequence[TaskVersion]) -> bool:
    """See ``MetadataStore.add_versions``."""
    added = [_add(connection, each) for each in versions]
    return any(added)


def version(
    connection: sqlite3.Connection, task: str, wanted: str | None, share: float | None
) -> TaskVersion:
    """See ``MetadataStore.version``."""
    known = _known(connection, task)
    found = releases.wanted(known, route(connection, task), wanted, share)
    return version_from(_row(connection, task, found))


def all_versions(connection: sqlite3.Connection) -> list[TaskVersion]:
    """See ``MetadataStore.all_versions``."""
    return intact(connection.execute("SELECT * FROM task_versions"), version_from)


def versions(connection: sqlite3.Connection, task: str) -> list[TaskVersion]:
    """See ``MetadataStore.versions``."""
    ordered = sorted(_known(connection, task), key=rank, reverse=True)
    return intact((_row(connection, task, each) for each in ordered), version_from)


def latest_versions(connection: sqlite3.Connection) -> list[TaskVersion]:
    """See ``MetadataStore.latest_versions``."""
    published: dict[str, list[str]] = {}
    for row in connection.execute("SELECT task, version FROM task_versions ORDER BY task"):
        published.setdefault(row["task"], []).append(row["version"])
    routes = intact(connection.execute("SELECT * FROM routes"), route_from)
    routed = {each.task: each for each in routes}
    rows = (
        _row(connection, task, releases.current(known, routed.get(task, Route(task))))
        for task, known in published.items()
    )
    return intact(rows, version_from)


def queues(connection: sqlite3.Connection) -> list[str]:
    """See ``MetadataStore.queues``."""
    rows = connection.execute(
        # A document leaves out what is as by default.
        "SELECT DISTINCT ifnull(json_extract(document, '$.task.queue'), ?) AS queue"
        " FROM task_versions WHERE json_valid(document) ORDER BY queue",
        (attrs.fields(TaskSpec).queue.default,),
    )
    return [str(queue) for (queue,) in rows]


def route(connection: sqlite3.Connection, task: str) -> Route:
    """See ``MetadataStore.route``."""
    row = connection.execute("SELECT * FROM routes WHERE task = ?", (task,)).fetchone()
    return Route(task) if row is None else route_from(row)


def put_route(connection: sqlite3.Connection, changed: Route) -> bool:
    """See ``MetadataStore.put_route``."""
    before, after = changed.revision, max(changed.revision, 0) + 1
    document = documents.dumps(attrs.evolve(changed, revision=after))
    if before <= 0:
        cursor = connection.execute(
            "INSERT INTO routes (task, revision, document) VALUES (?, ?, ?) ON CONFLICT (task)"
            " DO UPDATE SET revision = excluded.revision, document = excluded.document WHERE ?",
            (changed.task, after, document, before < 0),
        )
    else:
        cursor = connection.execute(
            "UPDATE routes SET revision = ?, document = ? WHERE task = ? AND revision = ?",
            (after, document, changed.task, before),
        )
    return cursor.rowcount == 1


def distributions(connection: sqlite3.Connection) -> list[str]:
    """See ``MetadataStore.distributions``."""
    rows = connection.execute("SELECT DISTINCT distribution FROM task_versions ORDER BY 1")
    return [name for (name,) in rows]


def versions_of(connection: sqlite3.Connection, distribution: str | None) -> list[TaskVersion]:
    """See ``MetadataStore.versions_of``."""
    if distribution is None:
        rows = connection.execute("SELECT * FROM task_versions ORDER BY distribution, version")
    else:
        rows = connection.execute(
            "SELECT * FROM task_versions WHERE distribution = ? ORDER BY version", (distribution,)
        )
    return intact(rows, version_from)


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
    return pipeline_from(row)


def pipelines(connection: sqlite3.Connection) -> list[PipelineSpec]:
    """See ``MetadataStore.pipelines``."""
    return intact(connection.execute("SELECT * FROM pipelines ORDER BY name"), pipeline_from)


def _add(connection: sqlite3.Connection, wanted: TaskVersion) -> bool:
    """Record one version, or what is new of it; whether anything was."""
    _refuse_others(connection, wanted)
    row = connection.execute(
        "SELECT * FROM task_versions WHERE task = ? AND version = ?", (wanted.name, wanted.version)
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO task_versions (task, version, distribution, content, document)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                wanted.name,
                wanted.version,
                wanted.release.distribution,
                releases.content(wanted),
                documents.dumps(wanted),
            ),
        )
        return True
    renewed = releases.renewed(next(iter(intact([row], version_from)), None), wanted)
    if renewed is None:
        return False
    connection.execute(
        "UPDATE task_versions SET document = ? WHERE task = ? AND version = ?",
        (documents.dumps(renewed), wanted.name, wanted.version),
    )
    return True


def _refuse_others(connection: sqlite3.Connection, wanted: TaskVersion) -> None:
    """Refuse a task of another distribution, and a release of other content."""
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
        "SELECT content FROM task_versions WHERE distribution = ? AND version = ?",
        (wanted.release.distribution, wanted.version),
    )
    if any(row["content"] != releases.content(wanted) for row in rows):
        raise ConflictError(
            f"{wanted.release.distribution} {wanted.version} is published with other content; "
            "a published version never changes: raise the version in pyproject.toml"
        )


def _known(connection: sqlite3.Connection, task: str) -> list[str]:
    """The versions of a task, from the index alone."""
    rows = connection.execute("SELECT version FROM task_versions WHERE task = ?", (task,))
    known = [version for (version,) in rows]
    if not known:
        names = connection.execute("SELECT DISTINCT task FROM task_versions").fetchall()
        raise NotFoundError.named("task", task, (name for (name,) in names))
    return known


def _row(connection: sqlite3.Connection, task: str, version: str) -> sqlite3.Row:
    found: sqlite3.Row = connection.execute(
        "SELECT * FROM task_versions WHERE task = ? AND version = ?", (task, version)
    ).fetchone()
    return found


def version_from(row: sqlite3.Row) -> TaskVersion:
    """A task version as it is recorded."""
    what = f"the stored version {row['version']} of task {row['task']!r}"
    return remembered(row["document"], TaskVersion, what, f"{row['distribution']}: {PUBLISH_AGAIN}")


def pipeline_from(row: sqlite3.Row) -> PipelineSpec:
    """A pipeline as it is recorded."""
    what = f"the stored pipeline {row['name']!r}"
    return remembered(row["document"], PipelineSpec, what, PUBLISH_AGAIN)


def route_from(row: sqlite3.Row) -> Route:
    """What operators have said of a task's versions, as it is recorded."""
    what = f"what is recorded of the versions of task {row['task']!r}"
    return remembered(row["document"], Route, what, ROUTE_AGAIN)
