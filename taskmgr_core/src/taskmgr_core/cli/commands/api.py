"""``taskmgr api``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from taskmgr_core.addresses import API_PORT
from taskmgr_core.api.server import check_without_accounts, serve
from taskmgr_core.cli.groups import Group
from taskmgr_core.cli.session import Session
from taskmgr_core.index.server import listening
from taskmgr_core.index.tokens import checked, kept_token

if TYPE_CHECKING:
    from taskmgr_core.api.access import Access
    from taskmgr_core.index.application import TokenGuard
    from taskmgr_core.settings import Settings

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
    default=API_PORT,
    show_default=True,
    help="Where it listens; 0 for a port that is free.",
)
@click.option(
    "--behind-tls", is_flag=True, help="A proxy before it speaks TLS: any --host is allowed."
)
@click.option(
    "--upload-mb",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="The most that a form with files may have.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the body of a request may take to arrive, and a client to take each part of "
    "an answer.",
)
@click.option(
    "--with-index",
    is_flag=True,
    help="Serve the package index as well, under /index, with its own token.",
)
@click.option(
    "--no-accounts",
    is_flag=True,
    help="Ask nobody for a token; for programs of this machine and a home of its own only.",
)
@click.pass_obj
def serve_command(
    session: Session,
    host: str,
    port: int,
    behind_tls: bool,
    upload_mb: int,
    patience: float,
    with_index: bool,
    no_accounts: bool,
) -> None:
    """Serve the REST API and the web page over HTTP, until Ctrl-C or SIGTERM.

    Whoever asks shows a token, as `taskmgr tokens new` makes them. Only this machine
    can reach it; for others put a proxy that speaks TLS before it. It runs nothing
    itself: workers do.
    """
    if no_accounts:
        check_without_accounts(host, session.settings())
    with (
        _open_access(session, accounts=not no_accounts) as (settings, access),
        listening(host, port, behind_tls=behind_tls) as place,
        contextlib.ExitStack() as stack,
    ):
        # Slow to import, and only what serves needs them.
        from taskmgr_core.api.application import make_application, mounted
        from taskmgr_core.api.limits import MEGABYTE, Limits
        from taskmgr_core.api.routes.scraping import metrics_route
        from taskmgr_core.health import check
        from taskmgr_core.metrics import metrics_text
        from taskmgr_core.probes import probes
        from taskmgr_core.web.application import routes, with_cookies

        limits = Limits(upload_bytes=upload_mb * MEGABYTE, patience=patience)
        services = probes(settings)
        more: list[Any] = [*routes(), metrics_route(metrics_text)]
        if with_index:
            more.append(mounted("/index", _index(session, stack)))
        application = make_application(
            access, lambda: check(services, HEALTH_SECONDS), limits, more
        )
        serve(
            with_cookies(application),
            place,
            on_ready=lambda: _tell(place.url.removesuffix("/simple/"), no_accounts=no_accounts),
        )


@api_command.command("schema", examples=["taskmgr api schema > openapi.json"])
def schema_command() -> None:
    """Print the OpenAPI file of the REST API."""
    from taskmgr_core.api.application import routes  # slow to import, as what serves
    from taskmgr_core.api.openapi import openapi_document

    click.echo(json.dumps(openapi_document(routes()), indent=2, ensure_ascii=False))


@contextlib.contextmanager
def _open_access(session: Session, *, accounts: bool) -> Iterator[tuple[Settings, Access]]:
    """Who may ask and what they reach: everything of one platform, or the workspaces."""
    from taskmgr_core.api.access import Access

    if not accounts:
        platform = session.platform()
        client = platform.client(paths=False)
        try:
            yield platform.settings, Access(lambda _: client)
        finally:
            platform.queue.close()
            platform.metadata.close()
        return
    with session.office(paths=False) as (office, _):
        clients = office.platforms.client_in
        yield (
            office.settings,
            Access(lambda who: clients(who.workspace), office.accounts, office.limiter, office),
        )


def _index(session: Session, stack: contextlib.ExitStack) -> TokenGuard:
    """The package index of the default workspace."""
    from taskmgr_core.index.application import make_application

    settings = session.settings()
    token = (
        checked(settings.index_token, "index_token")
        if settings.index_token
        else kept_token(settings.index_token_file)
    )
    return make_application(stack.enter_context(session.index()), token)


def _tell(url: str, *, no_accounts: bool) -> None:
    click.echo(f"the API is on {url}/v1, its OpenAPI file on {url}/v1/openapi.json, until Ctrl-C")
    click.echo(f"the web page is on {url}/")
    if not no_accounts:
        click.echo("who asks shows a token: taskmgr tokens new")
