"""``make services``: Redis, MongoDB and S3 on this machine, and the settings that use them."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from servers.errors import ServerError
from servers.services import Services


def main() -> int:
    """Do what the command line says; 1 when the servers do not start or did not last."""
    options = _options()
    try:
        if options.stop:
            _stop(Services(options.folder.absolute()))
        elif options.detach:
            print(Services(options.folder.absolute()).run_in_background(), end="")
        else:
            _stay(options.folder)
    except ServerError as error:
        _say(f"error: {error}")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make services", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="keep the data there; by default it is thrown away at the end"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--detach", action="store_true", help="go on in the background")
    how.add_argument("--stop", action="store_true", help="stop those of the folder")
    options = parser.parse_args()
    if (options.detach or options.stop) and options.folder is None:
        parser.error("--detach and --stop need a --folder")
    return options


def _stop(services: Services) -> None:
    stopped = services.stop()
    _say("stopped" if stopped else f"no servers run in {services.folder}")


def _stay(folder: Path | None) -> None:
    """Run the servers until Ctrl-C or SIGTERM."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    with _folder(folder) as home:
        Services(home).run(told.is_set, _tell)


def _tell(lines: str) -> None:
    print(lines, end="", flush=True)
    _say("ready; Ctrl-C stops them")


@contextlib.contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="taskmgr-services-") as made:
        yield Path(made)


def _say(line: str) -> None:
    """To people only: a shell evaluates what is on stdout."""
    print(f"services: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
