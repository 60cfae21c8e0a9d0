"""Which hook plugins are used: what the setting ``hooks`` says."""

from __future__ import annotations

import re

import attrs

ALL, NONE = "all", "none"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@attrs.frozen
class Choice:
    """What is used of the plugins that are installed.

    Attributes:
        only: the names of those that are used; None for all.
        never: the names of those that are not.
    """

    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str) -> Choice:
        """Read a text such as ``all``, ``none``, ``acme,audit`` or ``-acme``.

        Raises:
            ValueError: with what is wrong.
        """
        words = [each.strip() for each in text.split(",") if each.strip()]
        if NONE in words and len(words) > 1:
            raise ValueError(f"{NONE} stands alone, or leave it out")
        names = [each.removeprefix("-") for each in words]
        for name in names:
            if not _NAME.match(name):
                raise ValueError(
                    f"{name!r} is no name of a plugin; allowed are {ALL}, {NONE}, names with a "
                    "comma between them, and -NAME for all but that one"
                )
        if NONE in words:
            return cls(only=frozenset())
        never = frozenset(each[1:] for each in words if each.startswith("-"))
        only = frozenset(each for each in words if not each.startswith("-")) - {ALL}
        return cls(only if only and ALL not in words else None, never)

    def allows(self, name: str, *, own: bool = False) -> bool:
        """Whether a plugin is used.

        Arguments:
            name: of its entry point.
            own: whether it comes with taskmgr: it is used unless it is left out by name,
                or nothing is used at all.
        """
        if name in self.never:
            return False
        if self.only is None:
            return True
        return bool(self.only) if own else name in self.only

    @property
    def named(self) -> frozenset[str]:
        """Every plugin that it names."""
        return self.never | (self.only or frozenset())
