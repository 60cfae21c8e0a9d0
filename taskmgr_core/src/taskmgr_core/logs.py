"""What a worker tells, and where: on stderr, in a file of its steps and one of the system.

Lines are plain or JSON. No line has a secret: those of the settings' addresses are
replaced, whoever wrote them.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Literal

import attrs

from taskmgr_core.addresses import HIDDEN
from taskmgr_core.errors import SettingsError

LogFormat = Literal["plain", "json"]
FORMATS: tuple[LogFormat, ...] = ("plain", "json")
PLAIN = "%(asctime)s %(levelname)-7s %(message)s"

# Who writes of the broker, the stores and Celery; all else that is ours is the worker's.
_OURS = "taskmgr"
_SYSTEM = ("taskmgr_core.queue", "taskmgr_core.stores")
# Heard from warnings up, except at the level debug.
_NOISY = ("celery", "kombu", "amqp", "redis")
# Never more than warnings: what they tell for debugging has values and commands in it.
_VERBOSE = ("pymongo", "urllib3", "minio", "filelock", "asyncio")


@attrs.frozen
class Logging:
    """How a worker tells.

    Attributes:
        level: debug, info, warning or error.
        format: plain or json.
        folder: for the two files; None for none.
        name: what the files' names begin with.
        file_bytes: size at which another file is begun.
        files: how many full ones are kept of each.
        secrets: texts that no line may have.
        stderr: whether it tells on stderr, too.
    """

    level: str
    format: LogFormat = "plain"
    folder: Path | None = None
    name: str = "worker"
    file_bytes: int = 10_000_000
    files: int = 5
    secrets: Collection[str] = attrs.field(default=(), repr=False)
    stderr: bool = True

    @property
    def paths(self) -> dict[str, Path]:
        """The files: ``worker`` for steps, ``system`` for broker, stores and Celery."""
        if self.folder is None:
            return {}
        beginning = "" if self.name == "worker" else f"{self.name}-"
        return {each: self.folder / f"{beginning}{each}.log" for each in ("worker", "system")}

    def begin(self) -> None:
        """Tell like that from now on, in the whole process.

        Raises:
            SettingsError: the folder cannot be written.
        """
        root = logging.getLogger()
        for handler in [*root.handlers]:
            root.removeHandler(handler)
            handler.close()
        for handler in self._handlers():
            handler.setFormatter(_Formatter(self.format, self.secrets))
            root.addHandler(handler)
        root.setLevel(self.level.upper())
        debugging = self.level == "debug"
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.DEBUG if debugging else self._calm)
        for name in _VERBOSE:
            logging.getLogger(name).setLevel(self._calm)

    @property
    def _calm(self) -> int:
        return max(logging.WARNING, logging.getLevelNamesMapping()[self.level.upper()])

    def _handlers(self) -> Iterator[logging.Handler]:
        if self.stderr:
            yield logging.StreamHandler(sys.stderr)
        for kind, path in self.paths.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                handler = RotatingFileHandler(
                    path,
                    maxBytes=self.file_bytes,
                    backupCount=self.files,
                    encoding="utf-8",
                    errors="backslashreplace",
                )
            except OSError as error:
                raise SettingsError(
                    f"the log {path} cannot be written: {error.strerror or error}; "
                    "give another --log-folder"
                ) from error
            handler.addFilter(_Of(system=kind == "system").takes)
            yield handler


def is_of_system(logger: str) -> bool:
    """Whether what a logger tells is of the broker, the stores or Celery, not of steps."""
    ours = logger.partition(".")[0].partition("_")[0] == _OURS
    return not ours or any(logger == each or logger.startswith(f"{each}.") for each in _SYSTEM)


@attrs.frozen
class _Of:
    system: bool

    def takes(self, record: logging.LogRecord) -> bool:
        return is_of_system(record.name) is self.system


class _Formatter(logging.Formatter):
    """Plain lines or JSON, without secrets."""

    def __init__(self, form: LogFormat, secrets: Collection[str]) -> None:
        super().__init__(PLAIN)
        self._json = form == "json"
        # The longest first: one may be a part of another.
        self._secrets = sorted(secrets, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One line, of a plain traceback several."""
        return self._without_secrets(
            self._as_json(record) if self._json else super().format(record)
        )

    def _as_json(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(
            {name: self._without_secrets(text) for name, text in told.items()}, ensure_ascii=False
        )

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text
