"""A server as its users see it, whether this process started it or its address was given."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Protocol, Self
from urllib.parse import urlsplit

import attrs

from servers.child import Child, Command
from servers.errors import ServerError
from servers.ports import ports_of
from servers.site import Account, Site

START_SECONDS = 60.0
_LOOK_SECONDS = 0.02
_STARTS = 3


@attrs.frozen
class Recipe:
    """How a server is run.

    Attributes:
        name: what it is, for messages.
        ports: how many it listens on.
        configure: writes its settings into its folder and tells what to start.
        url: its address with user and password.
        probe: asks the server at an address for its version; a server that has
            answered serves whatever else it is asked.
        not_ready: what ``probe`` raises while it is not ready.
    """

    name: str
    ports: int
    configure: Callable[[Site], Command]
    url: Callable[[Site], str]
    probe: Callable[[str], str]
    not_ready: tuple[type[Exception], ...]


class Life(Protocol):
    """What a server can be told to do."""

    @property
    def pid(self) -> int:
        """Its process."""

    def start(self) -> str:
        """Start it and wait until it answers; its version."""

    def stop(self) -> None:
        """End it in good order."""

    def kill(self) -> None:
        """End it where it stands."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""


@attrs.define
class OwnLife:
    """A child process.

    Attributes:
        recipe: how it is run.
        url: its address.
        child: its process.
    """

    recipe: Recipe
    url: str = attrs.field(repr=False)
    child: Child

    @property
    def pid(self) -> int:
        """Its process."""
        return self.child.pid

    def start(self) -> str:
        """Start it and wait until it answers; its version.

        Raises:
            ServerError: it ended, or did not answer in time.
        """
        self.child.start()
        deadline = time.monotonic() + START_SECONDS
        while True:
            running = self.child.running
            try:
                return self.recipe.probe(self.url)
            except self.recipe.not_ready as error:
                if not running:
                    raise _EndedError(
                        f"{self.recipe.name} ended while it started{self.child.last_words()}"
                    ) from None
                if time.monotonic() > deadline:
                    self.child.kill()
                    raise ServerError(
                        f"{self.recipe.name} did not answer within {START_SECONDS:.0f} s "
                        f"({type(error).__name__}: {error}){self.child.last_words()}"
                    ) from error
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End it in good order."""
        self.child.stop()

    def kill(self) -> None:
        """End it where it stands."""
        self.child.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.child.signal(number)


@attrs.frozen
class GivenLife:
    """A server of somebody else, whose address was given: it is used and left alone.

    Attributes:
        name: for messages.
        variable: the environment variable that has the address.
    """

    name: str
    variable: str

    @property
    def pid(self) -> int:
        """Refused."""
        self._refuse("has no process id here")

    def start(self) -> str:
        """Refused."""
        self._refuse("cannot be restarted from here")

    def stop(self) -> None:
        """Nothing: whoever started it stops it."""

    def kill(self) -> None:
        """Refused."""
        self._refuse("cannot be killed from here")

    def signal(self, number: signal.Signals) -> None:
        """Refused."""
        self._refuse(f"cannot be sent {number.name} from here")

    def _refuse(self, what: str) -> NoReturn:
        raise ServerError(
            f"the {self.name} of {self.variable} {what}; it is not ours: "
            "use a server of your own for that (start_..., or the fixtures own_..._server)"
        )


@attrs.define(eq=False)
class Server:
    """A server that answers.

    Attributes:
        name: what it is: ``Redis``, ``MongoDB`` or ``S3``.
        url: its address, user and password in it.
        version: what it says of itself.
        ours: whether this process started it.
    """

    name: str
    url: str = attrs.field(repr=False)
    version: str
    ours: bool
    _life: Life

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ServerError: it does not run, or is not ours.
        """
        return self._life.pid

    def url_for(self, path: str) -> str:
        """Its address with another database or bucket."""
        return urlsplit(self.url)._replace(path=f"/{path}").geturl()

    def kill(self) -> None:
        """SIGKILL it, as when its machine is lost."""
        self._life.kill()

    def stop(self) -> None:
        """End it in good order; one that is not ours goes on."""
        self._life.stop()

    def restart(self) -> None:
        """Start it again on the same port with its data; one that runs is stopped first.

        Raises:
            ServerError: it does not come up, or is not ours.
        """
        self._life.stop()
        self._life.start()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._life.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was paused."""
        self._life.signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _EndedError(ServerError):
    """It ended by itself, perhaps because somebody took its port a moment before."""


def launch(recipe: Recipe, folder: Path) -> Server:
    """Start a server on ports that are free, with what is in its folder.

    Raises:
        ServerError: it does not start; the message has the end of its log.
    """
    folder = folder.absolute()
    for _ in range(_STARTS - 1):
        with contextlib.suppress(_EndedError):
            return _launch_once(recipe, folder)
    return _launch_once(recipe, folder)


def _launch_once(recipe: Recipe, folder: Path) -> Server:
    site = Site(folder, ports_of(folder, recipe.ports), Account.of(folder))
    child = Child(recipe.name, recipe.configure(site), folder)
    life = OwnLife(recipe, recipe.url(site), child)
    return Server(recipe.name, life.url, life.start(), True, life)


def given(name: str, variable: str, url: str, recipe: Recipe) -> Server:
    """A server whose address was given.

    Raises:
        ServerError: it does not answer.
    """
    try:
        version = recipe.probe(url)
    except recipe.not_ready as error:
        host = urlsplit(url).hostname
        raise ServerError(
            f"the {name} of {variable} at {host!r} does not answer: {type(error).__name__}: "
            f"{error}; start it, or unset {variable} to use one that is started for you"
        ) from error
    return Server(name, url, version, False, GivenLife(name, variable))
