"""The commands over the REST API: what ``--url`` or ``TASKMGR_URL`` names carries them out.

Their JSON is the same; tables are made from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taskmgr_core.cli.endings import FAILED, INTERRUPTED, OK, say_error
from taskmgr_core.cli.http_documents import (
    Parameters,
    ago_of,
    client_of,
    document_of,
    inputs_of,
    show_table,
)

if TYPE_CHECKING:
    from taskmgr_core.api.models.runs import RunDetailView
    from taskmgr_core.cli.screen import Screen
    from taskmgr_core.cli.session import Session
    from taskmgr_core.remote import RemoteClient

CANCEL_SECONDS = 5.0
# Keys of a run's document that `taskmgr run` leaves to `taskmgr show`.
_DETAILS = frozenset({"inputs", "steps", "values", "edges"})


def carried_out(ctx: click.Context) -> Callable[[], Any] | None:
    """What carries out a command over HTTP; None where it works on this machine.

    Raises:
        UsageError: a server was named on the command line for what no server does.
    """
    from taskmgr_core.cli.session import Session

    session = ctx.find_object(Session)
    if session is None or not session.url:
        return None
    name = " ".join(ctx.command_path.split()[1:])
    if name in _ITSELF:
        return None
    from taskmgr_core.cli import http_administration, http_workers  # not needed without a server

    commands = {**_COMMANDS, **http_administration.COMMANDS, **http_workers.COMMANDS}
    found = commands.get(name)
    if found is None:
        if session.url_given:
            words = (each.partition(" ")[0] for each in [*commands, *_ITSELF])
            known = ", ".join(dict.fromkeys(words))
            raise click.UsageError(
                f"--url goes with {known}, and most of what they group; {name} works on this "
                "machine",
                ctx,
            )
        return None
    handler, allowed = found
    given = {key for key, value in ctx.params.items() if value not in (None, False, ())}
    for each in ctx.command.params:
        told = ctx.get_parameter_source(str(each.name))
        default = told is not None and told.name == "DEFAULT"
        if each.name in given - allowed and not default:
            raise click.UsageError(f"{each.opts[0]} needs the home itself; it goes without --url")
    return lambda: handler(session, ctx.params)


def _run(session: Session, given: Parameters) -> int:
    with client_of(session) as client:
        inputs = inputs_of(client, given["name"], given["inputs"], given["version"])
        run_id = client.submit(given["name"], inputs, given["version"])
        return _ended(session, client, run_id, given)


def _retry(session: Session, given: Parameters) -> int:
    with client_of(session) as client:
        run_id = client.retry(given["run"], given["first"])
        return _ended(session, client, run_id, given)


def _ended(session: Session, client: RemoteClient, run_id: str, given: Parameters) -> int:
    """Wait for a run, unless that is not wanted, and print what came of it."""
    from taskmgr_core.client import RunTimeoutError

    if given["no_wait"]:
        session.screen.submitted(run_id, as_json=given["as_json"])
        return OK
    click.echo(f"run {run_id}", err=True)
    try:
        found = client.wait(run_id, given.get("timeout"))
    except RunTimeoutError as error:
        say_error(f"{error}; it goes on")
        return FAILED
    except KeyboardInterrupt:
        click.echo(f"\ninterrupted; it goes on: taskmgr show {run_id[-8:]}", err=True)
        return INTERRUPTED
    if given["as_json"]:
        told = document_of(found)
        session.screen.json({key: each for key, each in told.items() if key not in _DETAILS})
    else:
        _print_result(session.screen, found)
    return OK if found.result is not None else FAILED


def _print_result(screen: Screen, run: RunDetailView) -> None:
    from taskmgr_core.cli.results_view import print_result
    from taskmgr_core.specs import SUMMARY_ENTRY

    if run.result is not None:
        result = {name: each for name, each in run.result.items() if name != SUMMARY_ENTRY}
        print_result(screen, result)
        return
    error = run.error
    if error is not None and error.traceback:
        click.echo(error.traceback.rstrip(), err=True)
    told = f" in step {error.step}: {error.code}: {error.message}" if error else ""
    say_error(f"run {run.run_id[-8:]} {run.problem or run.status}{told}")


def _runs(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        before = given["before"] and client.detail(given["before"]).run_id
        page = client.runs(given["status"], given["task"], min(given["limit"], 1000), before)
    if given["as_json"]:
        session.screen.json({"runs": document_of(page)["runs"]})
        return
    rows = [
        (
            each.run_id[-8:],
            each.name,
            each.status,
            f"{each.steps.get('succeeded', 0)}/{sum(each.steps.values())}",
            ago_of(each.created_at),
        )
        for each in page.runs
    ]
    show_table(session.screen, ("run", "name", "status", "steps", "age"), rows, "no runs")


def _show(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.detail(given["run"])
    screen = session.screen
    if given["as_json"]:
        screen.json(document_of(found))
        return
    rows = [("run", found.run_id), (found.kind, found.name), ("status", found.status),
            ("submitted", found.created_at), ("time", f"{found.seconds.total:.3f} s")]  # fmt: skip
    show_table(screen, ("", ""), rows, "")
    screen.heading("steps")
    steps = [
        (each.id, each.task, each.version, each.status, f"{each.seconds.get('total', 0):.3f} s")
        for each in found.steps
    ]
    show_table(screen, ("step", "task", "version", "status", "time"), steps, "")
    screen.heading("values")
    values = [
        (each.port, each.type, str(each.size), each.digest[7:19], str(each.value)[:48])
        for each in found.values
    ]
    show_table(screen, ("port", "type", "size", "digest", "value"), values, "")
    for step in found.steps:
        for number, each in enumerate([*step.earlier_errors, *filter(None, [step.error])], 1):
            screen.heading(f"{step.id} {step.task}, failure {number}: {each.code}")
            screen.line(each.message)
            if each.traceback:
                screen.line(each.traceback.rstrip())


def _logs(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        lines = client.logs(given["run"], follow=given["follow"])
        if given["as_json"] and not given["follow"]:
            session.screen.json({"lines": [document_of(each) for each in lines]})
            return
        for each in lines:
            if given["as_json"]:
                click.echo(json.dumps(document_of(each), ensure_ascii=False))
            else:
                click.echo(f"{each.step} {each.text}")


def _cancel(session: Session, given: Parameters) -> int:
    from taskmgr_core.client import RunTimeoutError

    with client_of(session) as client:
        before = client.detail(given["run"]).status
        status = client.cancel(given["run"]).status
        if before == status == "running":
            try:
                status = client.wait(given["run"], CANCEL_SECONDS).status
            except RunTimeoutError:
                status = "running"
        run_id = client.detail(given["run"]).run_id
    if given["as_json"]:
        session.screen.json({"run_id": run_id, "status": status})
    elif before != "running":
        session.screen.line(f"run {run_id[-8:]} has ended already: {status}")
    else:
        session.screen.line(f"run {run_id[-8:]} is {status}")
    return OK if status in ("cancelled", "running") else FAILED


def _lineage(session: Session, given: Parameters) -> None:
    if (given["run"] is None) == (given["of"] is None):
        raise click.UsageError("give a run, or --of FILE")
    with client_of(session) as client:
        if given["run"] is not None:
            found = client.lineage(given["run"])
            if given["as_json"]:
                session.screen.json(document_of(found))
                return
            made_from: dict[str, list[str]] = {}
            for edge in found.edges:
                made_from.setdefault(edge.target, []).append(edge.source)
            rows = [
                (each.port, each.type, each.digest[7:19], ", ".join(made_from.get(each.port, ())))
                for each in found.values
            ]
            show_table(session.screen, ("port", "type", "digest", "made from"), rows, "no values")
            return
        traced = client.trace(_digest(given["of"]), given["limit"])
    if given["as_json"]:
        session.screen.json({"of": given["of"], **document_of(traced)})
        return
    rows = [
        (title, part.run_id[-8:], part.name, ", ".join(each.port for each in part.reached))
        for title, page in (("made from", traced.made_from), ("led to", traced.led_to))
        for part in (page.parts if page else ())
    ]
    show_table(session.screen, ("", "run", "name", "values"), rows, "nothing that is recorded")


def _digest(text: str) -> str:
    import hashlib

    path = Path(text).expanduser()
    if not path.is_file():
        return text
    with path.open("rb") as opened:
        return "sha256:" + hashlib.file_digest(opened, "sha256").hexdigest()


def _list(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        tasks, pipelines = client.tasks(), client.pipelines()
    if given["as_json"]:
        session.screen.json(
            {
                "tasks": [
                    {
                        "name": each.name,
                        "version": each.version,
                        "queue": each.queue,
                        "description": each.description,
                        "distribution": each.release.distribution,
                        "published_at": each.release.published_at,
                        "installed": None,
                    }
                    for each in tasks
                ],
                "pipelines": [document_of(each) for each in pipelines],
                "installed": [],
            }
        )
        return
    rows = [(each.name, each.version, each.queue, each.description) for each in tasks]
    show_table(session.screen, ("task", "version", "queue", "description"), rows, "no tasks")
    if pipelines:
        session.screen.line()
        named = [(each.name, ", ".join(each.tasks), each.description) for each in pipelines]
        show_table(session.screen, ("pipeline", "tasks", "description"), named, "")


def _info(session: Session, given: Parameters) -> None:
    from taskmgr_core.errors import NotFoundError

    found: Any
    with client_of(session) as client:
        try:
            found = client.pipeline(given["name"])
        except NotFoundError:
            found = client.task(given["name"], given["version"])
    if given["as_json"]:
        session.screen.json(document_of(found))
        return
    session.screen.line(f"{found.kind} {found.name}  {found.description}", "bold")
    rows = [(each.name, each.type, "" if each.required else "optional") for each in found.inputs]
    session.screen.heading("inputs")
    show_table(session.screen, ("name", "type", ""), rows, "")
    if found.kind == "task":
        session.screen.heading("outputs")
        outputs = [(each.name, each.type) for each in found.outputs]
        show_table(session.screen, ("name", "type"), outputs, "")
        session.screen.line(f"\nversions {', '.join(found.versions)}")
        return
    session.screen.heading("steps")
    steps = [(each.id, each.task, each.version, ", ".join(each.after)) for each in found.steps]
    show_table(session.screen, ("step", "task", "version", "after"), steps, "")


def _workers(session: Session, given: Parameters) -> None:
    with client_of(session) as client:
        found = client.workers()
    if given["as_json"]:
        session.screen.json({"workers": [document_of(each) for each in found]})
        return
    rows = [
        (each.id, each.status, str(each.slots), ", ".join(each.queues) or "all",
         ago_of(each.heartbeat), ago_of(each.started_at))
        for each in found
    ]  # fmt: skip
    show_table(
        session.screen, ("worker", "status", "slots", "queues", "beat", "up"), rows, "no workers"
    )


# What asks the server by itself.
_ITSELF = ("top", "monitor")
_JSON = frozenset({"as_json"})
# A command's words -> what carries it out, and the parameters that go over HTTP.
_COMMANDS: Mapping[str, tuple[Callable[[Session, Parameters], Any], frozenset[str]]] = {
    "run": (_run, _JSON | {"name", "inputs", "version", "no_wait", "timeout"}),
    "runs": (_runs, _JSON | {"status", "task", "limit", "before"}),
    "executions": (_runs, _JSON | {"status", "task", "limit", "before"}),
    "show": (_show, _JSON | {"run"}),
    "logs": (_logs, _JSON | {"run", "follow"}),
    "cancel": (_cancel, _JSON | {"run"}),
    "retry": (_retry, _JSON | {"run", "first", "no_wait"}),
    "lineage": (_lineage, _JSON | {"run", "of", "limit"}),
    "list": (_list, _JSON),
    "info": (_info, _JSON | {"name", "version"}),
    "worker status": (_workers, _JSON),
    "worker list": (_workers, _JSON),
}
