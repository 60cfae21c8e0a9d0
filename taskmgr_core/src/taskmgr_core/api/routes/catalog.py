"""Tasks, their versions and pipelines."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.params import FromPath, FromQuery

from taskmgr_core.accounts.policy import Permission
from taskmgr_core.api.access import client_of
from taskmgr_core.api.describing import route
from taskmgr_core.api.models.catalog import (
    PipelineList,
    PipelineName,
    PipelineView,
    TaskList,
    TaskView,
    VersionList,
    VersionView,
)
from taskmgr_core.errors import NotFoundError

AnyRequest = Request[Any, Any, Any]


@get("/tasks", sync_to_thread=True, **route(Permission.READ, "task.list"))
def list_tasks(request: AnyRequest) -> TaskList:
    """Every task in the version that new runs get."""
    return TaskList(tuple(TaskView.of(each) for each in client_of(request).tasks()))


@get("/tasks/{name:str}", sync_to_thread=True, **route(Permission.READ, "task.show", "not-found"))
def show_task(
    request: AnyRequest, name: FromPath[str], version: FromQuery[str | None] = None
) -> TaskView:
    """A task: what it takes, what it gives, which versions there are."""
    metadata = client_of(request).metadata
    return TaskView.of(metadata.version(name, version), metadata.versions(name))


@get(
    "/tasks/{name:str}/versions",
    sync_to_thread=True,
    **route(Permission.READ, "task.versions", "not-found"),
)
def list_versions(request: AnyRequest, name: FromPath[str]) -> VersionList:
    """The versions of a task, and why some of them are yanked."""
    found, routed = client_of(request).rollouts.versions(name)
    return VersionList(
        name,
        tuple(
            VersionView(
                each.version,
                each.release.published_at,
                each.release.python,
                routed.yanked.get(each.version),
            )
            for each in found
        ),
    )


@get("/pipelines", sync_to_thread=True, **route(Permission.READ, "pipeline.list"))
def list_pipelines(request: AnyRequest) -> PipelineList:
    """Every pipeline."""
    return PipelineList(tuple(map(PipelineName.of, client_of(request).pipelines())))


@get(
    "/pipelines/{name:str}",
    sync_to_thread=True,
    **route(Permission.READ, "pipeline.show", "not-found", "invalid-pipeline"),
)
def show_pipeline(request: AnyRequest, name: FromPath[str]) -> PipelineView:
    """A pipeline as new runs get it: which port takes its value from where."""
    client = client_of(request)
    found = {each.pipeline: each for each in client.pipelines()}
    if name not in found:
        raise NotFoundError.named("pipeline", name, found)
    return PipelineView.of(client.graph(found[name]), found[name].description)


ROUTES = (list_tasks, show_task, list_versions, list_pipelines, show_pipeline)
