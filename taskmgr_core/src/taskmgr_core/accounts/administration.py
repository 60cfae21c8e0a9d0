"""What admins do: make, list and revoke tokens; make workspaces. All of it is audited."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable

import attrs

from taskmgr_core.accounts import tokens
from taskmgr_core.accounts.auditing import AuditLog
from taskmgr_core.accounts.entries import entry_of
from taskmgr_core.accounts.interface import Asked, Principal
from taskmgr_core.accounts.policy import Permission, Role, allowed
from taskmgr_core.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
)
from taskmgr_core.silos import name_fault
from taskmgr_core.specs.accounts import (
    ALL_WORKSPACES,
    DEFAULT_WORKSPACE,
    AuditLine,
    AuditOutcome,
    Token,
    Workspace,
)
from taskmgr_core.stores.accounts import AccountStore

DAY = 86_400.0
# Beyond that no calendar has a date for its end.
LONGEST_SECONDS = 100 * 366 * DAY
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")


@attrs.frozen
class NewToken:
    """A token that was made just now.

    Attributes:
        secret: what its owner shows; nobody can see it again.
        token: what is recorded of it.
    """

    secret: str = attrs.field(repr=False)
    token: Token


@attrs.frozen
class Administration:
    """Changes tokens and workspaces, for a principal who may.

    Attributes:
        store: that of the platform.
        log: each change is written down before it is answered.
        by: who asks; only what is of their workspaces can be seen and changed.
        where: from where.
        clock: UTC seconds.
        revoked: called when a token was revoked, so that this process knows at once.
    """

    store: AccountStore
    log: AuditLog
    by: Principal
    where: str = "local"
    clock: Callable[[], float] = time.time
    revoked: Callable[[], None] = lambda: None

    def new_token(
        self,
        name: str,
        role: Role,
        workspace: str = DEFAULT_WORKSPACE,
        seconds: float | None = None,
        permissions: Iterable[Permission] | None = None,
    ) -> NewToken:
        """Make a token.

        Arguments:
            name: for whom.
            role: what they are.
            workspace: the only one that they reach; ``*`` for every one.
            seconds: after which it opens nothing; None for never.
            permissions: what is left of those of the role; None for all of them.

        Raises:
            InvalidValueError: the name, the time or a permission cannot be.
            NotFoundError: there is no such workspace.
            PermissionDeniedError: it is not theirs to make, or opens more than they may.
        """
        if not _NAME.match(name):
            raise InvalidValueError(
                f"the name {name!r} is not allowed; 1 to 64 ASCII letters, digits and any of "
                "._@+-, the first a letter or digit"
            )
        if seconds is not None and seconds <= 0:
            raise InvalidValueError(f"{seconds:g} s is not allowed; a token is for some time")
        if seconds is not None and not seconds <= LONGEST_SECONDS:
            raise InvalidValueError(
                f"{seconds:g} s is not allowed; a token is for at most a hundred years, or for "
                "ever (--no-expiry, over the API null)"
            )
        kept = None if permissions is None else tuple(sorted(set(permissions)))
        _check_narrowing(role, kept)
        asked = Asked("token.new", name, self.where)
        self._require(asked, workspace)
        self._require_no_more_than_theirs(asked, workspace, role, kept)
        self._check_workspace(workspace)
        secret, now = tokens.new_secret(), self.clock()
        token = Token(
            id=tokens.new_id(),
            hash=tokens.hash_of(secret),
            name=name,
            role=role,
            workspace=workspace,
            created_at=now,
            created_by=self.by.name,
            expires_at=None if seconds is None else now + seconds,
            permissions=kept,
        )
        self.store.add_token(token)
        given = " ".join([f"{name},", role, *(("only", *kept) if kept else ())])
        self._note(attrs.evolve(asked, target=token.id), workspace, note=given)
        return NewToken(secret, token)

    def tokens(self) -> list[Token]:
        """The tokens of their workspaces, the newest first.

        Raises:
            PermissionDeniedError: they may not see them.
        """
        self._require(Asked("token.list", "", self.where), self.by.workspace)
        return self.store.tokens(None if self.by.is_of_the_platform else self.by.workspace)

    def revoke_token(self, token: str) -> Token:
        """Have a token open nothing any more.

        Arguments:
            token: its id, or the token itself.

        Raises:
            NotFoundError: there is none in their workspaces.
        """
        known = {each.id: each for each in self.tokens()}
        by_secret = (
            self.store.token_by_hash(tokens.hash_of(token)) if tokens.is_whole(token) else None
        )
        token_id = by_secret.id if by_secret is not None else token
        if token_id not in known:
            raise NotFoundError.named("token", tokens.hidden(token_id), known)
        revoked = self.store.revoke_token(token_id, self.clock())
        if revoked is None:
            raise NotFoundError.named("token", token_id, known)
        self.revoked()
        asked = Asked("token.revoke", revoked.id, self.where)
        self._note(asked, revoked.workspace, note=revoked.name)
        return revoked

    def new_workspace(self, name: str, make_silo: Callable[[Workspace], None]) -> Workspace:
        """Make a workspace; when interrupted, made again.

        Arguments:
            name: of the workspace.
            make_silo: makes its stores; may be called again.

        Raises:
            InvalidValueError: it cannot have that name.
            ConflictError: there is one of that name.
            PermissionDeniedError: they are not of the platform.
        """
        if (fault := name_fault(name)) is not None:
            raise InvalidValueError(f"the workspace {name!r} is not allowed; {fault}")
        asked = Asked("workspace.new", name, self.where)
        self._require(asked, ALL_WORKSPACES)
        made = Workspace(name, self.clock(), self.by.name)
        if name == DEFAULT_WORKSPACE or self.store.workspace(name) is not None:
            raise _there_already(name)
        make_silo(made)
        if not self.store.add_workspace(made):
            raise _there_already(name)
        self._note(asked, name)
        return made

    def workspaces(self) -> list[Workspace]:
        """Every workspace but the default one, of those that they reach."""
        return [each for each in self.store.workspaces() if self.by.reaches(each.name)]

    def remove_workspace(self, name: str, remove_silo: Callable[[], None]) -> int:
        """Remove a workspace with all that is in it; when interrupted, done again as a whole.

        Arguments:
            name: the workspace.
            remove_silo: removes what is in it; may be called again.

        Returns:
            How many tokens were revoked.

        Raises:
            NotFoundError: there is none of that name.
            PermissionDeniedError: they are not of the platform.
        """
        asked = Asked("workspace.remove", name, self.where)
        self._require(asked, ALL_WORKSPACES)
        if not self.store.removing_workspace(name):
            known = [each.name for each in self.store.workspaces()]
            raise NotFoundError.named("workspace", name, known)
        revoked = self.store.revoke_tokens_of(name, self.clock())
        self.revoked()
        remove_silo()
        self.store.remove_workspace(name)
        self._note(asked, name, note=f"{revoked} tokens")
        return revoked

    def audit_page(
        self, before: int | None, limit: int, workspace: str | None = None
    ) -> list[AuditLine]:
        """Lines of the audit log, the newest first.

        Arguments:
            before: only lines with smaller numbers.
            limit: how many at most.
            workspace: only its lines; None for those of all that they reach.

        Raises:
            PermissionDeniedError: it is not their workspace, or they may not read it.
        """
        about = self.by.workspace if workspace is None else workspace
        self._require(Asked("audit.list", "", self.where), about)
        return self.store.audit_page(before, limit, None if about == ALL_WORKSPACES else about)

    def forget_audit(self, days: float) -> int:
        """Remove the lines of the audit log that are older; how many. That is audited, too.

        Raises:
            PermissionDeniedError: they are not of the platform.
        """
        asked = Asked("audit.forget", f"older than {days:g} days", self.where)
        self._require(asked, ALL_WORKSPACES)
        forgotten = self.store.forget_audit(self.clock() - days * DAY)
        self._note(asked, "", note=f"{forgotten} lines")
        return forgotten

    def _require(self, asked: Asked, workspace: str) -> None:
        if self.by.reaches(workspace) and self.by.may(Permission.ADMINISTER):
            return
        self._note(asked, self.by.workspace, "denied")
        raise PermissionDeniedError(
            f"{self.by.name}, {self.by.role} of {self.by.workspace!r}, may not do that "
            f"({asked.action}) in {workspace!r}; an admin of it may"
        )

    def _require_no_more_than_theirs(
        self, asked: Asked, workspace: str, role: Role, kept: tuple[Permission, ...] | None
    ) -> None:
        """A token of somebody whose own is narrowed must not open more than it."""
        given = [each for each in Permission if allowed(role, each) and (not kept or each in kept)]
        more = [each for each in given if not self.by.may(each)]
        if more:
            self._note(asked, workspace, "denied")
            raise PermissionDeniedError(
                f"the token of {self.by.name} has not {', '.join(more)}: it cannot give that"
            )

    def _check_workspace(self, name: str) -> None:
        if name in (ALL_WORKSPACES, DEFAULT_WORKSPACE):
            return
        found = self.store.workspace(name)
        if found is None or found.removing:
            known = [DEFAULT_WORKSPACE, *(each.name for each in self.workspaces())]
            raise NotFoundError.named("workspace", name, known)

    def _note(
        self, asked: Asked, workspace: str, outcome: AuditOutcome = "done", note: str = ""
    ) -> None:
        by = attrs.evolve(self.by, workspace=workspace)
        self.log.write(entry_of(self.clock(), by, asked, outcome, note))


def _there_already(name: str) -> ConflictError:
    return ConflictError(f"there is a workspace {name!r} already; give another name")


def _check_narrowing(role: Role, kept: tuple[Permission, ...] | None) -> None:
    if kept is None:
        return
    if not kept:
        raise InvalidValueError("a token without any permission opens nothing; give at least one")
    for each in kept:
        if not allowed(role, each):
            raise InvalidValueError(
                f"the role {role} has no permission {each}; a token can have less than its role, "
                "not more"
            )
