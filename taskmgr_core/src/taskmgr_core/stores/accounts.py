"""The records of accounts: what every metadata store promises of tokens, workspaces, the audit log.

They are in the store of the platform, that of the default workspace, whichever workspace a
token or a line of the log is for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

from taskmgr_core import documents
from taskmgr_core.specs.accounts import AuditEntry, AuditLine, AuditMark, Token, Workspace
from taskmgr_core.stores.records import stored

REVOKE = "revoke it and make another one: taskmgr tokens revoke ID"
NEW_AGAIN = "make it again: taskmgr workspaces new NAME"
VERIFY = "find out what is wrong: taskmgr audit verify"


class AccountStore(Protocol):
    """Tokens, workspaces and the audit log. Every method is one operation."""

    # tokens

    def add_token(self, token: Token) -> None:
        """Record a new token. Durable."""

    def token_by_hash(self, hash_: str) -> Token | None:
        """The token whose secret has a hash; None where there is none."""

    def tokens(self, workspace: str | None = None) -> list[Token]:
        """The tokens of a workspace, or all, the newest first."""

    def revoke_token(self, token_id: str, now: float) -> Token | None:
        """Record that a token opens nothing from now on. Durable.

        Returns:
            The token, revoked now or earlier; None where there is none.
        """

    def revoke_tokens_of(self, workspace: str, now: float) -> int:
        """The same for all of a workspace's; how many. Durable."""

    def used_token(self, token_id: str, now: float) -> None:
        """Record when a token was used; a power cut may undo it."""

    # workspaces

    def add_workspace(self, workspace: Workspace) -> bool:
        """Record a new workspace. Durable. False when there is one of that name."""

    def workspace(self, name: str) -> Workspace | None:
        """A workspace; None where there is none."""

    def workspaces(self) -> list[Workspace]:
        """Every workspace but the default one, by name."""

    def removing_workspace(self, name: str) -> bool:
        """Record that a workspace is being removed. Durable. False when there is none."""

    def remove_workspace(self, name: str) -> None:
        """Forget a workspace. Durable."""

    # the audit log

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries at the end of the log, chained, all or those before one that fails. Durable.

        Several processes may do so at the same time: each line follows on the one before.
        """

    def audit_page(
        self, before: int | None, limit: int, workspace: str | None = None
    ) -> list[AuditLine]:
        """Lines of the log, the newest first.

        Arguments:
            before: only lines with smaller numbers.
            limit: how many at most.
            workspace: only its lines; None for all.
        """

    def audit_after(self, number: int, limit: int) -> list[AuditLine]:
        """Lines of the log with greater numbers, the oldest first."""

    def audit_marks(self) -> tuple[AuditMark, AuditMark]:
        """What went before the first line of the log, and its end."""

    def forget_audit(self, before: float) -> int:
        """Remove the lines at the begin of the log that are older than a moment. Durable.

        Arguments:
            before: UTC seconds.

        Returns:
            How many. The newest line stays: what comes next follows on it.
        """


def chained(last: AuditMark, entries: Sequence[AuditEntry]) -> list[AuditLine]:
    """Entries as the lines that follow on the end of a log.

    Arguments:
        last: the end.
        entries: in their order.
    """
    lines = []
    for entry in entries:
        number, text = last.number + 1, documents.dumps(entry)
        hash_ = hash_of(number, text, last.hash)
        lines.append(AuditLine(number, text, last.hash, hash_, entry.at, entry.workspace))
        last = AuditMark(number, hash_)
    return lines


def hash_of(number: int, text: str, previous: str) -> str:
    """What a line is known by: SHA-256 over all that it says, and over the line before."""
    said = json.dumps([number, text, previous], separators=(",", ":"))
    return hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()


def token_from(token_id: str, text: str) -> Token:
    """A token as it is recorded.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    return stored(text, Token, f"the stored token {token_id!r}", REVOKE)


def workspace_from(name: str, text: str) -> Workspace:
    """A workspace as it is recorded.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    return stored(text, Workspace, f"the stored workspace {name!r}", NEW_AGAIN)


def entry_from(line: AuditLine) -> AuditEntry:
    """What a line of the audit log says.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    return stored(line.text, AuditEntry, f"line {line.number} of the audit log", VERIFY)
