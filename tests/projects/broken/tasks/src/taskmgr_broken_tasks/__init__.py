"""Tasks of which each breaks one contract, and three that break none."""

import ctypes
import os
import random
import signal
import time
from typing import Annotated

import attrs

from taskmgr_plugins import InvalidInputError, MLTask, Model, hookimpl, task

NOT_ITS_DIGEST = "0" * 64
_KEPT: list[bytes] = []
_CALLS: list[int] = [0]


@task
def whole(text: str) -> str:
    """Break nothing."""
    return text.upper()


@task
def stubborn(number: int) -> int:
    """Ignore a polite end, and be in native code for long when called for the 150th time."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _CALLS[0] += 1
    if _CALLS[0] == 150:
        return 3 ** (10**8) % 7
    return number % 7


@task(resources={"licence": 1})
def needs_a_licence(number: int) -> int:
    """Work with a unit of a resource only."""
    return number + int(os.environ["TASKMGR_RESOURCE_LICENCE"])


@task
def no_schema(number: Annotated[int, {"minimum": "one"}]) -> int:
    """Have a bound that is no number."""
    return number


class WrongModel(MLTask):
    """Declare other weights than there are."""

    models = (Model("weights.txt", NOT_ITS_DIGEST, "MIT", "made up"),)

    def load_model(self) -> None:
        """Read the weights."""
        self.model_path("weights.txt").read_bytes()

    def predict(self, number: int) -> int:
        """Answer."""
        return number


class SlowToLoad(MLTask):
    """Take longer to load than is claimed."""

    def load_model(self) -> None:
        """Take long."""
        time.sleep(0.25)

    def predict(self, number: int) -> int:
        """Answer."""
        return number


@task
def refuses(text: str) -> str:
    """Answer nothing but a word that nobody can guess."""
    if text != "xyzzy":
        raise InvalidInputError(f"{text[:20]!r} is not the word")
    return text


@attrs.frozen
class Measured:
    """A value that does not stay what it was."""

    value: float = attrs.field(converter=lambda value: float(round(value)))


@task
def rounds(measured: Measured) -> float:
    """Take a value that its class changes."""
    return measured.value


@task
def dies_of_nothing(text: str) -> int:
    """Crash in native code when there is no text."""
    if not text:
        ctypes.string_at(0)
    return len(text)


@task(timeout=1)
def counts(number: int) -> int:
    """Take as long as the number is large."""
    counted = 0
    for _ in range(number):
        counted += 1
    return counted


@task
def changes_its_mind(text: str) -> float:
    """Answer something else each time."""
    return len(text) + random.random()  # noqa: S311


@task
def orders_a_set(text: str) -> list[str]:
    """Answer in an order that is another one in each process."""
    return list({f"{text[:5]}{number}" for number in range(20)})


@task
def leaks(text: str) -> int:
    """Keep 100 kB of each call."""
    _KEPT.append(b"x" * 100_000)
    return len(text)


@task
def leaves_a_daemon(text: str) -> int:
    """Start, once, what nobody finds any more."""
    if not _KEPT:
        _KEPT.append(b"started")
        child = os.fork()
        if not child:
            os.setsid()
            if not os.fork():
                time.sleep(30)
            os._exit(0)
        os.waitpid(child, 0)
    return len(text)


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    answers = [refuses, rounds, changes_its_mind, orders_a_set, no_schema]
    lives = [dies_of_nothing, counts, leaks, leaves_a_daemon]
    return [whole, stubborn, needs_a_licence, WrongModel, SlowToLoad, *answers, *lives]
