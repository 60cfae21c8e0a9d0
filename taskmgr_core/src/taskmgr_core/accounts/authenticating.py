"""Who somebody is: their token looked up, and remembered for a few seconds."""

from __future__ import annotations

import collections
import hmac
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import attrs

from taskmgr_core.accounts import tokens
from taskmgr_core.accounts.auditing import AuditLog
from taskmgr_core.accounts.entries import entry_of, without_tokens
from taskmgr_core.accounts.interface import Asked, Principal
from taskmgr_core.accounts.policy import Permission, allowed, least_role
from taskmgr_core.errors import AuthenticationError, PermissionDeniedError, StoreError
from taskmgr_core.specs.accounts import AuditEntry, AuditOutcome, Token
from taskmgr_core.stores.accounts import AccountStore

# How long a token opens what it opened, after it was revoked somewhere else.
REMEMBER_SECONDS = 5.0
MOST_REMEMBERED = 10_000
# A write for each request would cost more than most requests.
USED_AGAIN_SECONDS = 3_600.0

UNKNOWN = (
    "the token is not known, or not any more; send a valid one as `Authorization: Bearer tmg_...` "
    "(`taskmgr tokens new` makes one)"
)
ABSENT = (
    "no token: send one in the header `Authorization: Bearer tmg_...`, once (`taskmgr tokens new` "
    "makes one)"
)
_AUTHENTICATE = Asked("authenticate")

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class _Found:
    """What the store said of a hash: a token, or that there is none."""

    token: Token | None
    until: float


_Memory: TypeAlias = collections.OrderedDict[str, _Found]


class StoredAccounts:
    """Implements ``Accounts`` over the store of the platform. Safe to use from many threads.

    Arguments:
        store: where tokens are.
        log: where denials and changes are written down.
        clock: UTC seconds; tokens expire by it.
        monotonic: seconds; what is remembered ages by it.
    """

    def __init__(
        self,
        store: AccountStore,
        log: AuditLog,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock
        self._monotonic = monotonic
        self._known = _Memory()
        self._unknown = _Memory()  # apart: who makes tokens up must not push out known ones
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def authenticate(self, bearer: str, where: str = "") -> Principal:
        """Who shows a token."""
        now = self._clock()
        token = self._token(tokens.hash_of(bearer)) if tokens.is_whole(bearer) else None
        if (fault := _fault(token, bearer, now)) or token is None:
            self._deny(_AUTHENTICATE, token, where, fault)
            raise AuthenticationError(UNKNOWN if bearer else ABSENT)
        self._note_use(token, now)
        permissions = None if token.permissions is None else frozenset(token.permissions)
        return Principal(token.name, token.role, token.workspace, token.id, permissions)

    def authorize(
        self,
        principal: Principal,
        permission: Permission,
        asked: Asked,
        workspace: str | None = None,
    ) -> Principal:
        """The principal in the workspace that is asked for."""
        entered = principal.entering(workspace)
        if entered is None:
            self._record(principal, asked, "denied", f"not their workspace: {workspace}")
            raise PermissionDeniedError(
                f"the token of {principal.name} is not for the workspace {workspace!r}; it is for "
                f"{principal.workspace!r}"
            )
        if not entered.may(permission):
            self._record(entered, asked, "denied", f"needs {permission}")
            raise PermissionDeniedError(_denied(entered, permission))
        return entered

    def record(
        self, principal: Principal, asked: Asked, outcome: AuditOutcome = "done", note: str = ""
    ) -> None:
        """Write down a change that was asked for."""
        self._record(principal, asked, outcome, note)

    def forget(self) -> None:
        """Ask the store again of every token: one was revoked by this process."""
        with self._lock:
            self._known.clear()
            self._unknown.clear()

    def _token(self, hash_: str) -> Token | None:
        now = self._monotonic()
        with self._lock:
            found = self._known.get(hash_) or self._unknown.get(hash_)
        if found is not None and now < found.until:
            return found.token
        token = self._store.token_by_hash(hash_)
        # Compared once more, in constant time: how long an index takes depends on what it has.
        if token is not None and not hmac.compare_digest(token.hash, hash_):
            token = None
        with self._lock:
            self._known.pop(hash_, None)
            self._unknown.pop(hash_, None)
            memory = self._unknown if token is None else self._known
            memory[hash_] = _Found(token, now + REMEMBER_SECONDS)
            if len(memory) > MOST_REMEMBERED:
                memory.popitem(last=False)
        return token

    def _note_use(self, token: Token, now: float) -> None:
        with self._lock:
            last = max(self._used.get(token.id, 0.0), token.last_used_at or 0.0)
            if now - last < USED_AGAIN_SECONDS:
                return
            self._used[token.id] = now
        try:
            self._store.used_token(token.id, now)
        except StoreError as error:  # nobody is refused for that
            _LOGGER.warning("when the token %s was used is not recorded: %s", token.id, error)

    def _deny(self, asked: Asked, token: Token | None, where: str, note: str) -> None:
        name, workspace, token_id = (
            ("", "", "") if token is None else (token.name, token.workspace, token.id)
        )
        said = AuditEntry(
            at=self._clock(),
            who=name,
            token=token_id,
            workspace=workspace,
            action=asked.action,
            target="",
            outcome="denied",
            where=without_tokens(where),
            note=note,
        )
        self._log.note(said)

    def _record(self, principal: Principal, asked: Asked, outcome: AuditOutcome, note: str) -> None:
        self._log.note(entry_of(self._clock(), principal, asked, outcome, note))


def _fault(token: Token | None, bearer: str, now: float) -> str:
    """Why a token opens nothing; for the audit log alone."""
    if not bearer:
        return "no token"
    if not tokens.is_whole(bearer):
        return "malformed"
    if token is None:
        return "unknown"
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    return ""


def _denied(principal: Principal, permission: Permission) -> str:
    if allowed(principal.role, permission):
        return (
            f"the token {principal.token_id} of {principal.name} is narrowed, and {permission} is "
            "left out; ask an admin for another token"
        )
    return (
        f"{principal.name} is {principal.role} in {principal.workspace!r}, and {permission} needs "
        f"{least_role(permission)}; ask an admin for a token with that role"
    )
