"""``taskmgr api``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from taskmgr_core.api.server import check_host, serve
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.session import Session
from taskmgr_core.index.server import listening

if TYPE_CHECKING:
    from taskmgr_core.api.limits import Gate
    from taskmgr_core.wiring import Platform

DEFAULT_PORT = 8320
HEALTH_SECONDS = 5.0


@click.group("api", cls=Group, examples=["taskmgr api serve", "taskmgr api schema"])
def api_command() -> None:
    """The REST API: submit and follow runs over HTTP.

    Whatever the commands show and do of runs, tasks, artifacts and lineage, for
    programs in any language.
    """


@api_command.command("serve", examples=["taskmgr api serve", "taskmgr api serve --port 0"])
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where it listens; 0 for a port that is free.",
)
@click.option(
    "--behind-tls", is_flag=True, help="A proxy before it speaks TLS: any --host is allowed."
)
@click.pass_obj
def serve_command(session: Session, host: str, port: int, behind_tls: bool) -> None:
    """Serve the REST API over HTTP, until Ctrl-C or SIGTERM.

    Only this machine can reach it. It runs nothing itself: workers do.
    """
    check_host(host, accounts=False)
    platform = session.platform()
    try:
        with listening(host, port, behind_tls=behind_tls) as place:
            url = place.url.removesuffix("/simple/")
            serve(
                _application(platform),
                place,
                on_ready=lambda: click.echo(
                    f"the API is on {url}/v1, its OpenAPI file on {url}/v1/openapi.json, "
                    "until Ctrl-C"
                ),
            )
    finally:
        platform.queue.close()
        platform.metadata.close()


@api_command.command("schema", examples=["taskmgr api schema > openapi.json"])
def schema_command() -> None:
    """Print the OpenAPI file of the REST API."""
    from taskmgr_core.api.application import routes  # slow to import, as what serves
    from taskmgr_core.api.openapi import openapi_document

    click.echo(json.dumps(openapi_document(routes()), indent=2, ensure_ascii=False))


def _application(platform: Platform) -> Gate:
    # Slow to import, and only what serves needs them.
    from taskmgr_core.api.access import Access
    from taskmgr_core.api.application import make_application
    from taskmgr_core.health import check
    from taskmgr_core.probes import probes

    client = platform.client(paths=False)
    services = probes(platform.settings)
    return make_application(Access(lambda _: client), lambda: check(services, HEALTH_SECONDS))
