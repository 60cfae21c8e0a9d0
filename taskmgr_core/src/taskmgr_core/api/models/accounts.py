"""Tokens, workspaces and the audit log as the REST API says them."""

from __future__ import annotations

from typing import Literal

import attrs

from taskmgr_core.accounts.administration import NewToken
from taskmgr_core.api.models.runs import moment, moment_or_none
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.specs.accounts import (
    AuditEntry,
    AuditLine,
    AuditOutcome,
    Permission,
    Role,
    Token,
    Workspace,
)
from taskmgr_core.stores.accounts import entry_from

USUAL_SECONDS = 90 * 86_400.0
TokenState = Literal["valid", "expired", "revoked"]


@attrs.frozen
class TokenOrder:
    """A token that is asked for.

    Attributes:
        name: whom or what it is for.
        role: what they may do.
        workspace: the only one that it opens; ``*`` for every one, by default the one that
            whoever asks has entered.
        permissions: what is left of those of the role; null for all of them.
        seconds: how long it opens anything; null for ever.
    """

    name: str
    role: Role
    workspace: str | None = None
    permissions: tuple[Permission, ...] | None = None
    seconds: float | None = USUAL_SECONDS


@attrs.frozen
class TokenView:
    """A token as it is recorded: without the secret."""

    id: str
    name: str
    role: Role
    workspace: str
    permissions: tuple[Permission, ...] | None
    state: TokenState
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None

    @classmethod
    def of(cls, token: Token, now: float) -> TokenView:
        """As it is at a moment.

        Arguments:
            token: as it is recorded.
            now: UTC seconds.
        """
        return cls(
            token.id,
            token.name,
            token.role,
            token.workspace,
            token.permissions,
            state_of(token, now),
            moment(token.created_at),
            token.created_by,
            moment_or_none(token.expires_at),
            moment_or_none(token.revoked_at),
            moment_or_none(token.last_used_at),
        )


def state_of(token: Token, now: float) -> TokenState:
    """Whether a token opens anything at a moment, in UTC seconds."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "valid"


@attrs.frozen
class NewTokenView(TokenView):
    """A token that was made just now; ``token`` is its secret, which nobody can see again."""

    token: str = attrs.field(repr=False)

    @classmethod
    def of_new(cls, made: NewToken, now: float) -> NewTokenView:
        """With its secret, this once."""
        told = attrs.asdict(TokenView.of(made.token, now), recurse=False)
        return cls(**told, token=made.secret)


@attrs.frozen
class TokenList:
    """The tokens of the workspaces that whoever asks reaches, the newest first."""

    tokens: tuple[TokenView, ...]


@attrs.frozen
class Revocation:
    """Which token is to open nothing any more: its id, or the token itself."""

    token: str


@attrs.frozen
class WorkspaceOrder:
    """A workspace that is asked for."""

    name: str


@attrs.frozen
class WorkspaceView:
    """A workspace; the default one was always there, and nobody has made it."""

    name: str
    created_at: str | None
    created_by: str
    removing: bool

    @classmethod
    def of(cls, workspace: Workspace) -> WorkspaceView:
        """As it is recorded."""
        return cls(
            workspace.name,
            moment(workspace.created_at) if workspace.created_at else None,
            workspace.created_by,
            workspace.removing,
        )


@attrs.frozen
class WorkspaceList:
    """The workspaces that whoever asks reaches, by name."""

    workspaces: tuple[WorkspaceView, ...]


@attrs.frozen
class WorkspaceRemoved:
    """A workspace that was there, and how many tokens open nothing since."""

    name: str
    tokens_revoked: int


@attrs.frozen
class AuditLineView:
    """A line of the audit log; one that cannot be read says so in its note."""

    number: int
    at: str
    who: str
    token: str
    workspace: str
    action: str
    target: str
    outcome: AuditOutcome
    where: str
    note: str

    @classmethod
    def of(cls, line: AuditLine) -> AuditLineView:
        """As it was written."""
        said = said_in(line)
        told = attrs.asdict(said)
        return cls(**{**told, "number": line.number, "at": moment(line.at)})


def said_in(line: AuditLine) -> AuditEntry:
    """What a line says; of one that cannot be read that."""
    try:
        return entry_from(line)
    except DamagedRecordError as error:
        return AuditEntry(line.at, "", "", line.workspace, "", "", "failed", "", error.fault)


@attrs.frozen
class AuditPage:
    """Some lines, the newest first; ``next`` is the cursor of the older ones, if there are any."""

    lines: tuple[AuditLineView, ...]
    next: int | None
