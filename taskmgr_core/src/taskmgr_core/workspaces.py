"""Accounts and workspaces as they are composed: for the command line, and for a server."""

from __future__ import annotations

import contextlib
import getpass
import threading
import time
from collections.abc import Iterator

import attrs

from taskmgr_core.accounts.administration import Administration
from taskmgr_core.accounts.auditing import AuditLog
from taskmgr_core.accounts.authenticating import StoredAccounts
from taskmgr_core.accounts.interface import LOCAL, Principal, RateLimiter
from taskmgr_core.errors import ConflictError, SettingsError
from taskmgr_core.settings import Settings
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE, Workspace
from taskmgr_core.stores.accounts import AccountStore
from taskmgr_core.wiring import Platform, limiter_of, make_silo, metadata_of, remove_silo


class Platforms:
    """The workspaces' platforms of one process, each opened when it is first asked for.

    Arguments:
        settings: those of the default workspace.
        default: its platform, where there is one already; whoever made it closes it.
    """

    def __init__(self, settings: Settings, default: Platform | None = None) -> None:
        _check_default(settings)
        self._settings = settings
        self._lock = threading.Lock()
        self._given = default
        self._opened: dict[str, Platform] = {}

    def of(self, workspace: str) -> Platform:
        """The platform of a workspace.

        Arguments:
            workspace: the one that a principal has entered.

        Raises:
            NotFoundError: there is none of that name.
            StoreError: it cannot be opened.
        """
        if workspace == DEFAULT_WORKSPACE and self._given is not None:
            return self._given
        with self._lock:
            if workspace not in self._opened:
                self._opened[workspace] = Platform(self._settings.in_workspace(workspace))
            return self._opened[workspace]

    def close(self) -> None:
        """Close those that were opened."""
        with self._lock:
            for each in self._opened.values():
                each.hooks.close()
                each.queue.close()
                each.metadata.close()
            self._opened.clear()


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
        return Administration(self.store, self.log, by, where)

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
        remove_silo(self.settings.in_workspace(name))


@contextlib.contextmanager
def open_office(settings: Settings, default: Platform | None = None) -> Iterator[Office]:
    """Open what a server asks of accounts, and close it.

    Arguments:
        settings: those of the default workspace.
        default: its platform, where there is one already.

    Raises:
        SettingsError: they are of another workspace.
        StoreError: with what to do.
    """
    platforms = Platforms(settings, default)
    metadata = metadata_of(settings) if default is None else default.metadata
    if default is None and not settings.metadata_url:
        metadata.initialize()
    log = AuditLog(metadata.accounts)
    accounts = StoredAccounts(metadata.accounts, log)
    try:
        yield Office(accounts, limiter_of(settings), log, metadata.accounts, platforms, settings)
    finally:
        log.close()
        platforms.close()
        if default is None:
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
