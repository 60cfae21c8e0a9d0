"""What the commands of one command line share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from taskmgr_core.cli.importing import importing

if TYPE_CHECKING:
    from taskmgr_core.accounts.administration import Administration
    from taskmgr_core.cli.screen import Screen
    from taskmgr_core.client import Client
    from taskmgr_core.control import Control
    from taskmgr_core.environments import Environments
    from taskmgr_core.index.catalogue import Catalogue
    from taskmgr_core.models import ModelFiles
    from taskmgr_core.monitoring import Picture
    from taskmgr_core.settings import Settings
    from taskmgr_core.signing.verifying import Verifier
    from taskmgr_core.wiring import Platform
    from taskmgr_core.workspaces import Office


class Session:
    """The options of the command line, and what is made from them when a command asks.

    The platform is imported then and not before: the help needs none of it.

    Arguments:
        home: overrides the setting.
        debug: whether tracebacks are printed.
    """

    def __init__(self, home: Path | None = None, debug: bool = False) -> None:
        self.home = home
        self.workspace: str | None = None
        self.url = ""
        self.url_given = False
        self.debug = debug
        self._screen: Screen | None = None

    @property
    def screen(self) -> Screen:
        """The terminal."""
        if self._screen is None:
            from taskmgr_core.cli.screen import Screen

            self._screen = Screen()
        return self._screen

    @property
    def answered(self) -> bool:
        """Whether a JSON value has been printed: with --json it is the only one."""
        return self._screen is not None and self._screen.answered

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: with the place of the value that is wrong.
            NotFoundError: nobody has made that workspace here.
        """
        from taskmgr_core.settings import load

        settings = load(os.environ, Path.cwd(), self.home, self.workspace)
        if settings.is_unmade:
            from taskmgr_core.silos import no_workspace

            raise no_workspace(settings.workspace)
        return settings

    def platform(self) -> Platform:
        """Every object, made from the settings.

        Raises:
            SettingsError, StoreError: with what to do.
        """
        with importing():
            from taskmgr_core.wiring import Platform

        return Platform(self.settings())

    @contextlib.contextmanager
    def control(self) -> Iterator[Control]:
        """What tells workers.

        Raises:
            SettingsError, StoreError: with what to do.
        """
        platform = self.platform()
        try:
            yield platform.control()
        finally:
            platform.queue.close()
            platform.metadata.close()

    @contextlib.contextmanager
    def office(self, *, paths: bool = True) -> Iterator[tuple[Office, Administration]]:
        """What is asked of accounts, and what the user of this machine may administer: all.

        Arguments:
            paths: whether a text among inputs may name a file of this machine.

        Raises:
            SettingsError, StoreError: with what to do.
        """
        from taskmgr_core.settings import load
        from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE
        from taskmgr_core.workspaces import local_principal, open_office

        # They are those of the platform, whatever workspace is worked in.
        settings = load(os.environ, Path.cwd(), self.home, DEFAULT_WORKSPACE)
        with open_office(settings, lambda platform: platform.client(paths=paths)) as office:
            yield office, office.administration(local_principal())

    @contextlib.contextmanager
    def index(self) -> Iterator[Catalogue]:
        """What the package index serves.

        Raises:
            SettingsError, StoreError: with what to do.
        """
        platform = self.platform()
        try:
            yield platform.index()
        finally:
            platform.queue.close()
            platform.metadata.close()

    @contextlib.contextmanager
    def looking(self) -> Iterator[Callable[[], Picture]]:
        """What looks at the whole platform, again and again.

        Raises:
            SettingsError, StoreError: with what to do.
        """
        from taskmgr_core.monitoring import take

        platform = self.platform()
        lost_after = platform.settings.lost_after
        try:
            yield lambda: take(platform.metadata, platform.queue, lost_after)
        finally:
            platform.queue.close()
            platform.metadata.close()

    def environments(self) -> Environments:
        """The virtualenvs alone: what removes them has to work where the database has no room.

        Raises:
            SettingsError, EnvironmentBuildError: with what to do.
        """
        from taskmgr_core.wiring import environments_of

        return environments_of(self.settings())

    def verifier(self) -> Verifier:
        """What verifies signatures, with the keys of this machine; no store is asked.

        Raises:
            SettingsError: with the place of the value that is wrong.
        """
        from taskmgr_core.wiring import verifier_of

        return verifier_of(self.settings())

    def models(self) -> ModelFiles:
        """The weights of this machine, and the artifacts, without a database.

        Raises:
            SettingsError: with what to do.
        """
        from taskmgr_core.wiring import models_of

        return models_of(self.settings())

    def client(self) -> Client:
        """The client; close it.

        Raises:
            SettingsError, StoreError: with what to do.
        """
        return self.platform().client()
