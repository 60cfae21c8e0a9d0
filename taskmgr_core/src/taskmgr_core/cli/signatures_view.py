"""How keys and signatures are shown."""

from __future__ import annotations

from typing import Any

from taskmgr_core.signing.keyring import KnownKey
from taskmgr_core.signing.verifying import Verdict


def signature_line(verdict: Verdict) -> str:
    """Who signed a version, on one line."""
    if verdict.state == "trusted":
        return f"by {verdict.name} with the key {verdict.key}, which is trusted here"
    if verdict.state == "unsigned":
        return "no"
    return verdict.problem


def signature_view(verdict: Verdict) -> dict[str, Any]:
    """Who signed a version, and what that is worth here, as JSON."""
    return {
        "state": verdict.state,
        "key": verdict.key or None,
        "name": verdict.name or None,
        "problem": verdict.problem or None,
    }


def key_view(key: KnownKey) -> dict[str, Any]:
    """A key, as JSON."""
    return {
        "id": key.id,
        "name": key.name,
        "state": key.state,
        "since": key.since,
        "comment": key.comment,
        "signs": key.signs,
        "public_key": key.line,
    }
