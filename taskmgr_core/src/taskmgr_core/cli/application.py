"""The command line as a whole: its commands, its options, how it ends."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from taskmgr_core.cli import endings
from taskmgr_core.cli.groups import OVER_HTTP, Entry, LazyGroup
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.streams import StdoutError, guard, leave

START = "Start"
CATALOG = "Tasks and pipelines"
RUNS = "Runs"
VERSIONS = "Versions of tasks"
PLATFORM = "The platform itself"

COMMANDS = (
    Entry("init", "init", "Keep what taskmgr stores in this folder.", START),
    Entry("demo", "demo", "Find faces in a picture, from publishing to a report.", START),
    Entry("create", "create", "Write a new plugin project that works as it is.", CATALOG),
    Entry("dev", "dev", "Run a task again at each save, until Ctrl-C.", CATALOG),
    Entry("test", "trial", "Try a task out, once or on its cases; record nothing.", CATALOG),
    Entry("publish", "publish", "Publish plugins and pipelines.", CATALOG),
    Entry("keys", "keys", "The keys that publications are signed with.", CATALOG),
    Entry("list", "catalog", "List the published tasks and pipelines.", CATALOG),
    Entry("info", "catalog", "Show a task or pipeline: inputs, outputs, versions.", CATALOG),
    Entry("graph", "graph", "Draw a pipeline, or a run with the states of its steps.", CATALOG),
    Entry("run", "run", "Run a task or pipeline and print its result.", RUNS),
    Entry("batch", "batch", "Run a pipeline over many inputs; keep every result.", RUNS),
    Entry("schedule", "schedule", "Run something at certain times.", RUNS),
    Entry("runs", "runs", "List runs, newest first.", RUNS),
    Entry("executions", "runs", "The same as runs: list runs, newest first.", RUNS),
    Entry("show", "show", "Show all that is recorded of a run.", RUNS),
    Entry("logs", "logs", "Print what the tasks of a run wrote.", RUNS),
    Entry("cancel", "runs", "Cancel a run.", RUNS),
    Entry("retry", "retry", "Do a run again from where it failed.", RUNS),
    Entry("lineage", "lineage", "Show which value was made from which.", RUNS),
    Entry(
        "versions",
        "versions",
        "List the versions of a task, and which of them new runs get.",
        VERSIONS,
    ),
    Entry("diff", "versions", "Show what is different between two versions of a task.", VERSIONS),
    Entry(
        "rollout", "versions", "Give new runs a version of a task: some of them, or all.", VERSIONS
    ),
    Entry("rollback", "versions", "Give new runs what they got before the last rollout.", VERSIONS),
    Entry(
        "pin", "versions", "Give all new runs one version of a task until it is let go.", VERSIONS
    ),
    Entry("yank", "versions", "Keep a version of a task from new runs.", VERSIONS),
    Entry("worker", "worker", "Start workers, see which are alive, tell them to leave.", PLATFORM),
    Entry("scheduler", "scheduler", "Run what the schedules say, when they say so.", PLATFORM),
    Entry("top", "top", "The dashboard: runs, queues, workers, tasks and lineage, live.", PLATFORM),
    Entry("monitor", "monitor", "Watch workers, queues and runs, until Ctrl-C.", PLATFORM),
    Entry("env", "env", "The virtualenvs of the published tasks.", PLATFORM),
    Entry("index", "index", "A package index of the published wheels, for pip and uv.", PLATFORM),
    Entry("api", "api", "The REST API: submit and follow runs over HTTP.", PLATFORM),
    Entry("models", "models", "The weights of the published tasks, and who used them.", PLATFORM),
    Entry("artifacts", "artifacts", "The stored files: remove those that nobody needs.", PLATFORM),
    Entry(
        "notifications",
        "notifications",
        "Who is told by webhook and e-mail, and whether it arrives.",
        PLATFORM,
    ),
    Entry("metrics", "metrics", "Print metrics for Prometheus, or serve them.", PLATFORM),
    Entry("tokens", "tokens", "The tokens that open the API to others.", PLATFORM),
    Entry("workspaces", "workspaces", "Tasks, runs and keys apart from all others.", PLATFORM),
    Entry("audit", "audit", "Who did what, when, from where.", PLATFORM),
    Entry("cache", "cache", "The cached results of steps: what they spared, clear them.", PLATFORM),
    Entry("limits", "limits", "How many steps run at once and begin in a time.", PLATFORM),
    Entry("hooks", "hooks", "List the hook plugins, and how they are.", PLATFORM),
    Entry("health", "health", "Ask each service whether it works.", PLATFORM),
    Entry("doctor", "doctor", "Check that everything is as it should be.", PLATFORM),
    Entry("config", "config", "Show every setting and where it comes from.", PLATFORM),
    Entry("completion", "completion", "Print the completion script of a shell.", PLATFORM),
)

EXAMPLES = (
    "taskmgr create greet --template simple --author 'Ada Lovelace'",
    "taskmgr publish greet",
    "taskmgr run greet name=Grace",
)


def _say_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import importlib.metadata  # not needed for anything but this

    click.echo(f"taskmgr {importlib.metadata.version('taskmgr-core')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    examples=EXAMPLES,
    notes={"Exit codes": endings.MEANINGS},
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    subcommand_metavar="COMMAND [ARGUMENTS]...",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of everything that taskmgr keeps; instead of TASKMGR_HOME.",
)
@click.option("--workspace", help="The workspace to work in; instead of TASKMGR_WORKSPACE.")
@click.option(
    "--url",
    help="A server of the REST API that carries out what it can of the commands; instead of "
    "TASKMGR_URL. Its token is TASKMGR_TOKEN's.",
)
@click.option("--debug", is_flag=True, help="Print the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Print the version and exit.",
)
@click.pass_context
def taskmgr(
    ctx: click.Context, home: Path | None, workspace: str | None, url: str | None, debug: bool
) -> None:
    """Publish AI tasks, run pipelines of them, know which output came from which input."""
    session = ctx.ensure_object(Session)
    session.home, session.workspace, session.debug = home, workspace, debug
    session.url, session.url_given = url or os.environ.get("TASKMGR_URL", ""), bool(url)
    ctx.meta[OVER_HTTP] = bool(session.url)


def main() -> None:
    """The program ``taskmgr``."""
    guard()
    leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line.

    Arguments:
        arguments: without the program's name.

    Returns:
        The exit code; see ``endings``.
    """
    try:
        code = _carry_out(arguments)
        sys.stdout.flush()
    except StdoutError as error:
        return endings.report_stdout(error)
    finally:
        gc.unfreeze()  # what was imported, see ``importing``, for who goes on in this process
    return code


def _carry_out(arguments: Sequence[str]) -> int:
    given = endings.Given(arguments)
    session = Session()
    # click knows terminals, not NO_COLOR.
    more: dict[str, Any] = {"color": False} if os.environ.get("NO_COLOR") else {}
    try:
        code = taskmgr.main(
            list(arguments), prog_name="taskmgr", standalone_mode=False, obj=session, **more
        )
    except click.Abort:
        return endings.INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except StdoutError:
        raise
    except Exception as error:  # noqa: BLE001 - the last one who can say what happened
        reported = endings.report(error, given)
        if given.json and not session.answered:
            endings.report_as_json(error)
        return reported
    return code if isinstance(code, int) else endings.OK
