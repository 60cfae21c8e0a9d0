"""``taskmgr health``."""

from __future__ import annotations

import attrs
import click
from rich.text import Text

from taskmgr_core.cli.endings import FAILED, OK
from taskmgr_core.cli.groups import Command
from taskmgr_core.cli.options import json_option
from taskmgr_core.cli.screen import NOTHING, Screen, plain, table
from taskmgr_core.cli.session import Session
from taskmgr_core.health import ServiceHealth, check
from taskmgr_core.probes import probes

SECONDS = 10.0


@click.command(
    "health",
    cls=Command,
    examples=["taskmgr health", "taskmgr health --timeout 3 --json"],
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 300),
    default=SECONDS,
    show_default=True,
    help="Seconds to wait for all services together.",
)
@click.option(
    "--here", is_flag=True, help="A worker of this machine has to be alive; for a container."
)
@json_option
@click.pass_obj
def health_command(session: Session, timeout: float, here: bool, as_json: bool) -> int:
    """Ask each service whether it works.

    Tells kind, address, version and the time of one question of the metadata
    store, the artifact store, the broker and the workers, and what to do where
    something is wrong. All are asked side by side. The exit code is 1 when
    there is a fault.
    """
    found = check(probes(session.settings(), here=here), timeout)
    healthy = all(each.state != "fault" for each in found)
    if as_json:
        services = [attrs.asdict(each) for each in found]
        session.screen.json({"healthy": healthy, "services": services})
    else:
        _print(session.screen, found)
    return OK if healthy else FAILED


def _print(screen: Screen, found: list[ServiceHealth]) -> None:
    shown = table(
        "service", "", "what", "version", "ms", "address",
        right=("ms",), whole=("service", "", "what", "ms"),
    )  # fmt: skip
    for each in found:
        place = Text(each.address)
        for text, style in ((each.message, ""), (each.advice, "dim")):
            if text:
                place.append("\n" * bool(place.plain) + text, style=style)
        shown.add_row(
            plain(each.service),
            screen.status(each.state),
            plain(each.kind),
            plain(each.version or NOTHING),
            NOTHING if each.latency_ms is None else f"{each.latency_ms:.1f}",
            place,
        )
    screen.print(shown)
