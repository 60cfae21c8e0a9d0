"""Accounts and workspaces as they are composed: for the command line, and for a server."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import attrs

from taskmgr_core.accounts.administration import Administration
from taskmgr_core.accounts.auditing import AuditLog
from taskmgr_core.accounts.authenticating import StoredAccounts
from taskmgr_core.accounts.interface import LOCAL, Principal, RateLimiter
from taskmgr_core.client import Client
from taskmgr_core.errors import ConflictError, SettingsError
from taskmgr_core.settings import Settings
from taskmgr_core.silos import no_workspace
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE, Workspace
from taskmgr_core.stores.accounts import AccountStore
from taskmgr_core.wiring import Platform, artifacts_of, limiter_of, metadata_of, queue_of

# How long a server goes on to answer for a workspace that was removed somewhere else.
LOOK_SECONDS = 5.0


@attrs.define
class _Opened:
    """A workspace's platform and client, its record, and when that was looked up last."""

    platform: Platform
    client: Client
    record: Workspace | None
    looked_at: float

    def close(self) -> None:
        self.platform.hooks.close()
        self.platform.queue.close()
        self.platform.metadata.close()


class Platforms:
    """The workspaces' platforms of one process, each opened when it is first asked for.

    One that was removed meanwhile, or removed and made anew, is opened anew.

    Arguments:
        settings: those of the default workspace.
        store: the records of the workspaces.
        make_client: makes the client of a platform.
        monotonic: seconds.

    Raises:
        SettingsError: the settings are of another workspace.
    """

    def __init__(
        self,
        settings: Settings,
        store: AccountStore,
        make_client: Callable[[Platform], Client] = Platform.client,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._make_client = make_client
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._opened: dict[str, _Opened] = {}

    def of(self, workspace: str) -> Platform:
        """The platform of a workspace.

        Arguments:
            workspace: the one that a principal has entered.

        Raises:
            NotFoundError: there is none of that name.
            StoreError: it cannot be opened.
        """
        return self._found(workspace).platform

    def client_in(self, workspace: str) -> Client:
        """The client of a workspace; see ``of``. It is not to be kept from request to request."""
        return self._found(workspace).client

    def forget(self, workspace: str) -> None:
        """Close a workspace's, which is being removed; who asks for it now is told so."""
        with self._lock:
            if (opened := self._opened.pop(workspace, None)) is not None:
                opened.close()

    def close(self) -> None:
        """Close those that were opened."""
        with self._lock:
            for each in self._opened.values():
                each.close()
            self._opened.clear()

    def _found(self, workspace: str) -> _Opened:
        with self._lock:
            now = self._monotonic()
            opened = self._opened.get(workspace)
            if opened is not None and now - opened.looked_at < LOOK_SECONDS:
                return opened
            record = self._record(workspace)
            if opened is not None and opened.record == record:
                opened.looked_at = now
                return opened
            if opened is not None:
                self._opened.pop(workspace).close()
            platform = Platform(self._settings.in_workspace(workspace))
            opened = _Opened(platform, self._make_client(platform), record, now)
            self._opened[workspace] = opened
            return opened

    def _record(self, workspace: str) -> Workspace | None:
        if workspace == DEFAULT_WORKSPACE:
            return None
        record = self._store.workspace(workspace)
        if record is None or record.removing:
            raise no_workspace(workspace)
        return record


@attrs.frozen
class Office:
    """What a server asks of accounts.

    Attributes:
        accounts: who somebody is, and whether they may.
        limiter: how often; None for no limit.
        log: the audit log.
        store: tokens, workspaces, the audit log.
        platforms: those of the workspaces.
        settings: those of the default workspace.
    """

    accounts: StoredAccounts
    limiter: RateLimiter | None
    log: AuditLog
    store: AccountStore
    platforms: Platforms
    settings: Settings

    def administration(self, by: Principal, where: str = "local") -> Administration:
        """What a principal may administer.

        Arguments:
            by: who asks.
            where: from where.
        """
        return Administration(self.store, self.log, by, where, revoked=self.accounts.forget)

    def new_workspace(self, admin: Administration, name: str) -> Workspace:
        """Make a workspace: its stores, then its record; when interrupted, made again.

        Raises:
            InvalidValueError, ConflictError, PermissionDeniedError: see ``Administration``.
            StoreError, ArtifactError: its stores cannot be made.
        """
        return admin.new_workspace(
            name, lambda made: make_silo(self.settings.in_workspace(name), made)
        )

    def remove_workspace(self, admin: Administration, name: str) -> int:
        """Remove a workspace with all that is in it; how many tokens were revoked.

        Raises:
            NotFoundError, PermissionDeniedError: see ``Administration``.
            ConflictError: workers serve it.
            StoreError, ArtifactError, QueueError: something of it is left; to be done again.
        """
        return admin.remove_workspace(name, lambda: self._remove_silo(name))

    def check_unserved(self, name: str) -> None:
        """Refuse where workers serve a workspace: they would write what is removed anew.

        Raises:
            ConflictError: with what to do.
        """
        settings = self.settings.in_workspace(name)
        if not settings.is_begun:
            return
        metadata = metadata_of(settings)
        since = time.time() - settings.lost_after
        try:
            alive = [each.id for each in metadata.workers() if each.heartbeat >= since]
        finally:
            metadata.close()
        if alive:
            raise ConflictError(
                f"the workspace {name!r} is served by {', '.join(alive)}; stop them first: "
                f"taskmgr --workspace {name} worker stop --all"
            )

    def _remove_silo(self, name: str) -> None:
        self.platforms.forget(name)
        remove_silo(self.settings.in_workspace(name))


@contextlib.contextmanager
def open_office(
    settings: Settings, make_client: Callable[[Platform], Client] = Platform.client
) -> Iterator[Office]:
    """Open what a server asks of accounts, and close it.

    Arguments:
        settings: those of the default workspace.
        make_client: makes the client of a workspace's platform.

    Raises:
        SettingsError: they are of another workspace.
        StoreError: with what to do.
    """
    _check_default(settings)
    metadata = metadata_of(settings)
    if not settings.metadata_url:
        metadata.initialize()
    store = metadata.accounts
    platforms = Platforms(settings, store, make_client)
    log = AuditLog(store)
    accounts = StoredAccounts(store, log)
    try:
        yield Office(accounts, limiter_of(settings), log, store, platforms, settings)
    finally:
        log.close()
        platforms.close()
        metadata.close()


def local_principal() -> Principal:
    """Who works on this machine, with the stores' own passwords: they may do everything."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "user"
    return attrs.evolve(LOCAL, name=f"{LOCAL.name}:{user}")


def _check_default(settings: Settings) -> None:
    if settings.workspace != DEFAULT_WORKSPACE:
        raise SettingsError(
            f"TASKMGR_WORKSPACE is {settings.workspace!r}, and accounts are kept in the default "
            "workspace for all of them; unset it"
        )


def make_silo(settings: Settings, workspace: Workspace) -> None:
    """Make the stores of a workspace, with its name in them. Safe to call again.

    Arguments:
        settings: those of the workspace.
        workspace: its record.

    Raises:
        StoreError, ArtifactError: a server cannot be reached, or refuses.
    """
    metadata = metadata_of(settings)
    try:
        metadata.initialize()
        artifacts_of(settings).initialize()
        metadata.accounts.add_workspace(workspace)
    finally:
        metadata.close()


def remove_silo(settings: Settings) -> None:
    """Remove all that is in a workspace. Safe to call again.

    Arguments:
        settings: those of the workspace; of another than the default one.

    Raises:
        StoreError, ArtifactError, QueueError: a server cannot be reached, or refuses.
    """
    if settings.workspace == DEFAULT_WORKSPACE:
        raise ValueError("the default workspace is the platform itself")
    if settings.artifacts_url:
        artifacts = artifacts_of(settings)
        for digest in list(artifacts.digests()):
            artifacts.remove(digest)
    metadata = metadata_of(settings)
    queue = queue_of(settings, metadata)
    for each in (queue, metadata):  # those of a laptop are files in the home
        if isinstance(each, Droppable):
            each.drop()
        each.close()
    if settings.home.exists():
        shutil.rmtree(settings.home)


@runtime_checkable
class Droppable(Protocol):
    """What is on a server, and can be removed from it as a whole."""

    def drop(self) -> None:
        """Remove all of it."""
