"""What is recorded of who may do what: roles, tokens, workspaces, the audit log."""

from __future__ import annotations

import enum
from typing import Literal, TypeAlias

import attrs

ALL_WORKSPACES = "*"
DEFAULT_WORKSPACE = "default"
AuditOutcome: TypeAlias = Literal["done", "denied", "failed"]
AUDIT_OUTCOMES: tuple[AuditOutcome, ...] = ("done", "denied", "failed")


class Permission(enum.StrEnum):
    """Something that a principal may be allowed to do in a workspace."""

    READ = "read"
    """Look at tasks, runs, artifacts, lineage, logs, workers, schedules."""
    RUN = "run"
    """Submit, cancel and retry runs."""
    OPERATE = "operate"
    """Tell workers what to do; change schedules, rollouts, pins and yanks."""
    PUBLISH = "publish"
    """Publish versions of tasks, and pipelines."""
    ADMINISTER = "administer"
    """Make and revoke tokens, make and remove workspaces, read the audit log."""


class Role(enum.StrEnum):
    """What somebody is in a workspace; each may do all that those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    PUBLISHER = "publisher"
    ADMIN = "admin"


@attrs.frozen
class Token:
    """An API token as it is recorded: without the secret, which only its owner has.

    Attributes:
        id: to name it by; no secret.
        hash: the secret's SHA-256, in hexadecimal digits.
        name: whom it was made for.
        role: what they are in the workspace.
        workspace: the only one that they reach; ``*`` for every one.
        created_at: UTC seconds.
        created_by: who made it.
        expires_at: UTC seconds from which on it opens nothing; None for never.
        permissions: what is left of those of the role; None for all of them.
        revoked_at: UTC seconds since when it opens nothing; None while it does.
        last_used_at: UTC seconds, to the hour; None before it was used.
    """

    id: str
    hash: str = attrs.field(repr=False)
    name: str
    role: Role
    workspace: str
    created_at: float
    created_by: str
    expires_at: float | None = None
    permissions: tuple[Permission, ...] | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None


@attrs.frozen
class Workspace:
    """A silo: tasks, runs, artifacts and keys of its own.

    Attributes:
        name: its name.
        created_at: UTC seconds.
        created_by: who made it.
        removing: whether it is being removed: nobody gets into it any more.
    """

    name: str
    created_at: float
    created_by: str
    removing: bool = False


@attrs.frozen
class AuditEntry:
    """Who did what when, from where, and how it went; never with a secret in it.

    Attributes:
        at: UTC seconds.
        who: the principal's name; empty for somebody that nobody knows.
        token: the id of the token that was shown; empty for none.
        workspace: the one that it is about; empty for none.
        action: as ``run.submit``.
        target: of what.
        outcome: ``done``, ``denied`` or ``failed``.
        where: the client's address, or ``local``.
        note: why, where it was denied or failed.
    """

    at: float
    who: str
    token: str
    workspace: str
    action: str
    target: str
    outcome: AuditOutcome
    where: str
    note: str = ""


@attrs.frozen
class AuditLine:
    """An entry in its place in the log: each has the hash of the one before it in its own.

    Attributes:
        number: counts up from 1, without gaps.
        text: the entry as JSON, exactly as it was hashed.
        previous: the hash of the line before; empty for the first.
        hash: of number, text and previous, in hexadecimal digits.
        at: the entry's moment, as it is looked for.
        workspace: the entry's, as it is looked for.
    """

    number: int
    text: str
    previous: str
    hash: str
    at: float
    workspace: str


@attrs.frozen
class AuditMark:
    """A place in the audit log that is kept beside it: its end, or what went before its begin.

    Attributes:
        number: of a line; 0 before the first.
        hash: that line's.
    """

    number: int = 0
    hash: str = ""
