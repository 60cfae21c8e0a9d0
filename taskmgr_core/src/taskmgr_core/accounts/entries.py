"""What is written down of a request."""

from __future__ import annotations

from taskmgr_core.accounts import tokens
from taskmgr_core.accounts.interface import Asked, Principal
from taskmgr_core.specs.accounts import AuditEntry, AuditOutcome

MOST_CHARACTERS = 500


def entry_of(
    at: float, principal: Principal, asked: Asked, outcome: AuditOutcome, note: str = ""
) -> AuditEntry:
    """A line of the audit log.

    Arguments:
        at: UTC seconds.
        principal: who asked.
        asked: what they asked for.
        outcome: how it went.
        note: why.
    """
    return AuditEntry(
        at=at,
        who=principal.name,
        token=principal.token_id,
        workspace=principal.workspace,
        action=asked.action,
        target=without_tokens(asked.target),
        outcome=outcome,
        where=without_tokens(asked.where),
        note=without_tokens(note),
    )


def without_tokens(text: str) -> str:
    """A text of somebody else as it may be written down: no token in it, and not too long."""
    return tokens.hidden(text)[:MOST_CHARACTERS]
