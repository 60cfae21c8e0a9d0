"""The files that run a team's servers with Docker Compose, with passwords of their own."""

from __future__ import annotations

import os
import secrets
from importlib.resources import files
from pathlib import Path

from taskmgr_core.errors import ConflictError, SettingsError

COMPOSE = "docker-compose.yml"
ENVIRONMENT = ".env"

_SECRET_BYTES = 24
_LINES = """\
# Passwords of the servers in docker-compose.yml, written by taskmgr init --compose: keep it
# to yourself. Commands on this machine use the servers after: set -a; . ./.env; set +a

# minio, or seaweedfs: MinIO's community edition was archived in 2026.
COMPOSE_PROFILES=minio
# The checkout of taskmgr that the worker's image is built from.
TASKMGR_SOURCE={source}

MONGODB_HOST=127.0.0.1
MONGODB_PORT=27017
MONGODB_USER=taskmgr
MONGODB_PASSWORD={mongodb}

MINIO_ENDPOINT=127.0.0.1:9000
MINIO_ACCESS_KEY=taskmgr
MINIO_SECRET_KEY={minio}
MINIO_BUCKET=taskmgr

REDIS_HOST=127.0.0.1
REDIS_PORT=6379
REDIS_PASSWORD={redis}

FLOWER_USER=taskmgr
FLOWER_PASSWORD={flower}
"""


def compose_text() -> str:
    """The compose file, the same for everybody: what is secret is in the other file."""
    return (files(__package__) / "compose" / COMPOSE).read_text(encoding="utf-8")


def write_compose(folder: Path, source: Path) -> list[Path]:
    """Write the compose file and one with passwords, readable by their owner alone.

    Arguments:
        folder: where; it is made.
        source: the checkout that the worker's image is built from.

    Returns:
        The files that were written.

    Raises:
        ConflictError: a file is there already; nothing is written.
        SettingsError: the folder cannot be written.
    """
    compose, environment = folder / COMPOSE, folder / ENVIRONMENT
    text = compose_text()
    keeps = compose.is_file() and compose.read_text(encoding="utf-8") == text
    for path in (environment, *([] if keeps else [compose])):
        if path.exists():
            raise ConflictError(
                f"{path} is there already and is left as it is; move it away, or name another "
                "folder"
            )
    passwords = {
        name: secrets.token_hex(_SECRET_BYTES) for name in ("mongodb", "minio", "redis", "flower")
    }
    lines = _LINES.format(source=source, **passwords)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_new(environment, lines, 0o600)
        if not keeps:
            _write_new(compose, text, 0o644)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [environment] if keeps else [environment, compose]


def _write_new(path: Path, text: str, mode: int) -> None:
    """Made with its mode: at no moment can anybody else read it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as opened:
        opened.write(text)
