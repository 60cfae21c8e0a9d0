"""Whether the audit log is as it was written: each line is followed on by the next."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from taskmgr_core.errors import DamagedRecordError, InvalidValueError
from taskmgr_core.specs.accounts import AuditLine, AuditMark
from taskmgr_core.stores.accounts import AccountStore, entry_from, hash_of

PAGE = 1_000
MOST_FAULTS = 20

_MARK = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})\Z")


@attrs.frozen
class Verified:
    """What a look at the whole audit log has found.

    Attributes:
        lines: how many there are.
        forgotten: how many went before them, and were removed for their age.
        end: the last one; to be kept elsewhere, and compared with later.
        faults: what is not as it was written, at most ``MOST_FAULTS``.
    """

    lines: int
    forgotten: int
    end: AuditMark
    faults: tuple[str, ...]


def mark_as_text(mark: AuditMark) -> str:
    """A place in the log as ``NUMBER:HASH``."""
    return f"{mark.number}:{mark.hash}"


def mark_from(text: str) -> AuditMark:
    """A place in the log that was written as ``NUMBER:HASH``.

    Raises:
        InvalidValueError: it is none.
    """
    found = _MARK.match(text)
    if found is None:
        raise InvalidValueError(
            f"{text!r} is no place in the audit log; give NUMBER:HASH, as `taskmgr audit verify` "
            "prints it"
        )
    return AuditMark(int(found[1]), found[2])


def verified(store: AccountStore, expected: AuditMark | None = None) -> Verified:
    """Look at every line of the audit log, a page in memory at a time.

    Arguments:
        store: where it is.
        expected: an end that was noted earlier: it has to be there still. Who can write the
            store can write a whole log anew; not so that it has this line.
    """
    begin, end = store.audit_marks()
    walk = _Walk(begin)
    faults: list[str] = []
    wanted = [end, *([expected] if expected else [])]
    for line in _lines(store, begin.number):
        more = [*walk.faults_of(line), *_unlike(line, wanted)]
        faults += more[: MOST_FAULTS - len(faults)]
    for mark in wanted:
        if mark.number > walk.last.number:
            faults.append(
                f"lines {walk.last.number + 1} to {mark.number} are missing at the end of the log"
            )
    if expected is not None and expected.number < begin.number:
        faults.append(
            f"line {expected.number} was removed for its age, and cannot be compared; give an end "
            f"that was noted later than line {begin.number}"
        )
    return Verified(walk.count, begin.number, walk.last, tuple(faults[:MOST_FAULTS]))


@attrs.define
class _Walk:
    """How far a look has come.

    Attributes:
        last: the line before.
        count: how many were looked at.
    """

    last: AuditMark
    count: int = 0

    def faults_of(self, line: AuditLine) -> Iterator[str]:
        """What is wrong with the next line."""
        if line.number != self.last.number + 1:
            yield f"lines {self.last.number + 1} to {line.number - 1} are missing"
        elif line.previous != self.last.hash:
            yield f"line {line.number} does not follow on the one before it"
        if hash_of(line.number, line.text, line.previous) != line.hash:
            yield f"line {line.number} was changed"
        try:
            entry = entry_from(line)
        except DamagedRecordError as error:
            yield error.fault
        else:
            if (entry.at, entry.workspace) != (line.at, line.workspace):
                yield f"line {line.number} is looked for as what it is not"
        self.last = AuditMark(line.number, line.hash)
        self.count += 1


def _unlike(line: AuditLine, wanted: list[AuditMark]) -> Iterator[str]:
    for mark in wanted:
        if mark.number == line.number and mark.hash != line.hash:
            yield f"line {line.number} is another than the one that was written"


def _lines(store: AccountStore, number: int) -> Iterator[AuditLine]:
    while page := store.audit_after(number, PAGE):
        yield from page
        number = page[-1].number
