"""``taskmgr retry``."""

from __future__ import annotations

import click

from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.leaving import interruptible
from taskmgr_core.cli.options import json_option, run_argument
from taskmgr_core.cli.runs_view import print_run
from taskmgr_core.cli.session import Session
from taskmgr_core.cli.views import run_view
from taskmgr_core.cli.waiting import waited
from taskmgr_core.run_ids import new_run_id


@click.command(
    "retry",
    cls=Command,
    examples=["taskmgr retry 3f9a2c1b", "taskmgr retry 3f9a2c1b --from 002 --json"],
)
@run_argument
@click.option(
    "--from",
    "first",
    metavar="STEP",
    help="Do this step again too, cached or not, with all that is made from its outputs.",
)
@click.option("--no-wait", is_flag=True, help="Submit only, and print the new run's id.")
@json_option
@click.pass_obj
def retry_command(
    session: Session, run: str, first: str | None, no_wait: bool, as_json: bool
) -> int:
    """Do a run again from where it failed.

    The new run has the same inputs and versions. What succeeded is taken over with
    its values and their lineage; what did not, and all behind it, is done again.
    """
    with session.client() as client:
        run_id = new_run_id()
        with interruptible(client, run_id):
            client.retry(run, first, run_id)
            if no_wait:
                session.screen.submitted(run_id, as_json=as_json)
                return OK
        code = waited(client, session.screen, run_id)
        detail = client.detail(run_id)
        if as_json:
            session.screen.json(run_view(detail))
        elif code is None:
            print_run(session.screen, detail)
    return OK if code is None and detail.result is not None else code or FAILED
