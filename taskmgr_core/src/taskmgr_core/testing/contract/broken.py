"""How a contract that does not hold is told."""

from __future__ import annotations

from taskmgr_core.errors import TaskmgrError


class ContractBrokenError(TaskmgrError):
    """A contract does not hold.

    Arguments:
        contract: its name, as ``loads-in-time``.
        seen: what was seen.
        allowed: what is allowed.
        change: what to change.
    """

    def __init__(self, contract: str, *, seen: str, allowed: str, change: str) -> None:
        self.contract, self.seen, self.allowed, self.change = contract, seen, allowed, change
        super().__init__(f"{seen}; allowed: {allowed}; to change: {change}")

    def lines(self) -> list[str]:
        """What a person reads, one thing after the other."""
        told = (("seen", self.seen), ("allowed", self.allowed), ("change", self.change))
        return [
            f"{word + ':':<9}{line}" if not at else f"{'':<9}{line}"
            for word, text in told
            for at, line in enumerate(text.splitlines() or [""])
        ]


class NotClaimedError(TaskmgrError):
    """There is nothing to check: the plugin claims nothing, or nothing is there to compare."""
