"""Whether a server may answer without accounts: pure."""

from __future__ import annotations


def fault_without_accounts(*, loopback: bool, embedded: bool) -> str:
    """Why a server cannot answer everybody who comes; empty where it can.

    Arguments:
        loopback: whether only this machine can reach it.
        embedded: whether its metadata, artifacts and queue are all of this machine.
    """
    if not loopback:
        return (
            "without accounts everybody who reaches this address could do everything; leave "
            "accounts on, or listen at 127.0.0.1"
        )
    if not embedded:
        return (
            "without accounts every user of this machine could do everything on the team's "
            "servers; leave accounts on: `taskmgr tokens new` makes a token"
        )
    return ""
