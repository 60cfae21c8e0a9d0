"""Finding the programs: those of the machine first, then those of this virtualenv."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from servers.errors import ServerUnavailableError


def on_path(name: str) -> str | None:
    """The absolute path of a program that the machine has, or None."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else None  # noqa: PTH100 - keeps a link's own name


def beside_python(name: str) -> str | None:
    """The absolute path of a program that came as a wheel, or None."""
    return shutil.which(name, path=str(Path(sys.executable).parent))


def in_package(package: str, pattern: str) -> str | None:
    """The absolute path of a program inside of a package, which is not imported, or None."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in sorted(Path(folder).glob(pattern))]
    return str(found[0]) if found else None


def unavailable(name: str, program: str, wheel: str, variable: str) -> ServerUnavailableError:
    """The error of a server that cannot be had here."""
    return ServerUnavailableError(
        f"there is no {name} here: `make setup-dev` installs {wheel} where there is a wheel of "
        f"it for this machine; or install {program}, or set {variable} to the address of one"
    )
