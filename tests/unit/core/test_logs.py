"""What a worker's log has: its form, its file, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskmgr_core.logs import Logging, is_of_system

SECRET = "geheim-123"  # noqa: S105 - looked for in what is logged


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Put back how the process logged."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield
    for each in [*root.handlers]:
        root.removeHandler(each)
        if each not in handlers:
            each.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_secret_is_in_no_line(tmp_path: Path) -> None:
    """Whoever logs it, as plain text or JSON, in the message or in a traceback: it is ***."""
    for form in ("plain", "json"):
        folder = tmp_path / form
        logs = Logging("info", form, folder, secrets=[SECRET], stderr=False)  # type: ignore[arg-type]
        logs.begin()
        logging.getLogger("redis").warning("no connection to redis://:%s@host", SECRET)
        try:
            int(SECRET)
        except ValueError:
            logging.getLogger("kombu").exception("failed")
        text = (folder / "system.log").read_text()
        assert SECRET not in text
        assert text.count("***") == 2


def test_json_line_has_the_traceback_inside(tmp_path: Path) -> None:
    """Each record is one line, whatever is in it."""
    Logging("info", "json", tmp_path, stderr=False).begin()
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("taskmgr.worker").exception('a "quoted"\nmessage')
    (line,) = (tmp_path / "worker.log").read_text().splitlines()
    told = json.loads(line)
    assert told["message"] == 'a "quoted"\nmessage'
    assert "ValueError: invalid literal" in told["traceback"]
    assert told["level"] == "error"


@pytest.mark.parametrize(
    ("logger", "system"),
    [
        ("taskmgr.worker", False),
        ("taskmgr_core.worker.worker", False),
        ("taskmgr_core.queue.celery.feed", True),
        ("taskmgr_core.stores.mongodb", True),
        ("taskmgr_core.storeskeeper", False),
        ("celery.worker", True),
        ("taskmgrish", True),
    ],
)
def test_file_follows_from_the_logger(logger: str, system: bool) -> None:
    """Broker, stores and what is not ours are the system's."""
    assert is_of_system(logger) is system


@pytest.mark.parametrize(("level", "heard"), [("info", False), ("debug", True)])
def test_celery_is_quiet_unless_debugging(tmp_path: Path, level: str, heard: bool) -> None:
    """What Celery and kombu tell below a warning is kept at the level debug alone."""
    Logging(level, "plain", tmp_path, stderr=False).begin()
    for name in ("celery.worker", "kombu.transport"):
        logging.getLogger(name).info("told by the way")
    logging.getLogger("pymongo.command").debug("a command with values")
    text = (tmp_path / "system.log").read_text()
    assert ("told by the way" in text) is heard
    assert "a command with values" not in text
