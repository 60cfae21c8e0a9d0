"""What a way in asks of accounts: who somebody is, whether they may, whether so often.

A request is answered in this order::

    principal = accounts.authenticate(bearer, where)           # AuthenticationError: 401
    decision = limiter.take(principal)                          # not decision.allowed: 429
    principal = accounts.authorize(                             # PermissionDeniedError: 403
        principal, Permission.RUN, Asked("run.submit", target, where), workspace)
    ...                                                         # in principal.workspace alone
    accounts.record(principal, Asked("run.submit", run_id, where))   # of changes only
"""

from __future__ import annotations

from typing import Protocol

import attrs

from taskmgr_core.accounts.policy import Permission, Role, allowed
from taskmgr_core.specs.accounts import ALL_WORKSPACES, DEFAULT_WORKSPACE, AuditOutcome


@attrs.frozen
class Principal:
    """Who asks, as their token says.

    Attributes:
        name: whom the token was made for.
        role: what they are in their workspace.
        workspace: the only one that they reach; ``*`` until they have entered one.
        token_id: which token; it is no secret.
        permissions: what is left of those of the role; None for all of them.
    """

    name: str
    role: Role
    workspace: str
    token_id: str
    permissions: frozenset[Permission] | None = None

    def may(self, permission: Permission) -> bool:
        """Whether they have a permission."""
        narrowed = self.permissions is None or permission in self.permissions
        return narrowed and allowed(self.role, permission)

    @property
    def is_of_the_platform(self) -> bool:
        """Whether they are of no single workspace."""
        return self.workspace == ALL_WORKSPACES

    def reaches(self, workspace: str) -> bool:
        """Whether a workspace is theirs."""
        return self.workspace in (workspace, ALL_WORKSPACES)

    def entering(self, workspace: str | None) -> Principal | None:
        """The principal in a workspace; None where it is not theirs.

        Arguments:
            workspace: which; None for their own, or the default one where theirs are all.
        """
        if workspace is None:
            workspace = DEFAULT_WORKSPACE if self.is_of_the_platform else self.workspace
        return attrs.evolve(self, workspace=workspace) if self.reaches(workspace) else None


# Everybody, where accounts are off: see ``opening.fault_without_accounts``.
LOCAL = Principal("local", Role.ADMIN, ALL_WORKSPACES, "")


@attrs.frozen
class Asked:
    """What somebody asks for, as the audit log has it; never with a secret in it.

    Attributes:
        action: as ``run.submit``, ``run.cancel``, ``task.publish``, ``token.new``.
        target: of what: a run's id, a task, a route.
        where: from where: the client's address.
    """

    action: str
    target: str = ""
    where: str = ""


class Accounts(Protocol):
    """Who somebody is and whether they may; every denial is written to the audit log."""

    def authenticate(self, bearer: str, where: str = "") -> Principal:
        """Who shows a token.

        Arguments:
            bearer: the token, as it is shown after ``Authorization: Bearer``; empty for none.
            where: the client's address.

        Raises:
            AuthenticationError: unknown, expired or revoked; the message is the same, and
                only the audit log says which.
            StoreError: the store cannot be asked, and nobody knows.
        """

    def authorize(
        self,
        principal: Principal,
        permission: Permission,
        asked: Asked,
        workspace: str | None = None,
    ) -> Principal:
        """The principal in the workspace that is asked for.

        Arguments:
            principal: who asks.
            permission: which they need.
            asked: what they ask for.
            workspace: which they name; None: their own, or the default one where theirs are all.

        Raises:
            PermissionDeniedError: they have not the permission, or it is not their workspace;
                the message does not say whether that workspace is there.
        """

    def record(
        self, principal: Principal, asked: Asked, outcome: AuditOutcome = "done", note: str = ""
    ) -> None:
        """Write down a change that was asked for; soon, without waiting for the disk.

        Arguments:
            principal: who asked, in the workspace that it is about.
            asked: what was asked for.
            outcome: how it went.
            note: why it failed; without secrets.
        """


@attrs.frozen
class Allowance:
    """How much of what somebody may ask for is left.

    Attributes:
        allowed: whether this once is granted.
        limit: the most at a time.
        window: seconds in which as many come back.
        remaining: how many are left now.
        reset: seconds until all are back.
        retry_after: seconds until it may be asked again; 0 where it is granted.
    """

    allowed: bool
    limit: int
    window: float
    remaining: int
    reset: float
    retry_after: float = 0.0


class RateLimiter(Protocol):
    """How often a principal may ask."""

    def take(self, principal: Principal, cost: int = 1) -> Allowance:
        """Ask for a request to be answered.

        Arguments:
            principal: who asks; all their tokens share one limit.
            cost: how many requests it counts for, at least 1.
        """
