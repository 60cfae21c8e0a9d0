"""Where something came from, and what came of it, over all runs.

Inside a run the walk follows the recorded edges. From one run into another it
follows files alone: a file that was made in one run and given to a later one.
That two runs had an equal number or text says nothing about where it came from.
A file is its content, and a run can only have been given what an earlier one
made; so a walk goes through the runs in the order of their ids and enters each
once, however the files go round in them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Literal, Protocol, get_args

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.lineage import downstream, upstream
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.stores.metadata import Role, roles_of
from taskmgr_core.stores.records import intact

Direction = Literal["made_from", "led_to"]

# How many files a walk looks out for at once; what a cursor holds, and what has to fit
# into a command line, grows with it.
MOST_OPEN = 500

_CURSOR_BYTES = 1_000_000
_DIGEST = re.compile(r"(sha256:)?[0-9a-fA-F]{8,64}")


class Records(Protocol):
    """What a walk asks of a metadata store."""

    def values(self, run_id: str) -> list[FieldValue]:
        """The recorded values of a run."""

    def edges(self, run_id: str) -> list[Edge]:
        """The lineage edges of a run."""

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """For each digest the next run in which it has one of the roles."""


@attrs.frozen
class Part:
    """The part of a lineage that lies in one run.

    Attributes:
        run: the run's id.
        through: the digests of what the walk came in by: what was asked for, or files
            that another part of the lineage has.
        entered: the values that are, or contain, those, and were not reached from one
            another.
        reached: what these were made from, or what was made from them, nearest first.
        edges: the run's edges between all of these.
        not_followed: digests of files that the walk gave up looking out for after this
            part, because there are more than it can hold; each can be asked for by itself.
    """

    run: str
    through: tuple[str, ...]
    entered: tuple[FieldValue, ...]
    reached: tuple[FieldValue, ...]
    edges: tuple[Edge, ...]
    not_followed: tuple[str, ...] = ()


@attrs.frozen
class Page:
    """Some parts of a lineage.

    Attributes:
        digest: of what was asked for.
        direction: ``made_from``, the newest run first, or ``led_to``, the oldest first.
        parts: one for each run.
        next: the cursor of the page behind it; empty where this is the last.
    """

    digest: str
    direction: Direction
    parts: tuple[Part, ...]
    next: str


@attrs.frozen
class Trace:
    """What something came from and what came of it, over all runs; the first page of each.

    Attributes:
        digest: of what was asked for.
        made_from: towards its origins. It is empty for what no run has made.
        led_to: from each run in which it was, the runs that made it included.
    """

    digest: str
    made_from: Page
    led_to: Page


@attrs.frozen
class _Way:
    """One direction.

    Attributes:
        older: whether it leads to older runs.
        first: the roles in which what was asked for is looked for.
        link: the roles in which another run has a file that the walk has reached.
        leaving: the role of the files by which the walk leaves a run.
    """

    older: bool
    first: tuple[Role, ...]
    link: tuple[Role, ...]
    leaving: Role


_WAYS: dict[Direction, _Way] = {
    "made_from": _Way(True, ("made file", "made value"), ("made file",), "given file"),
    "led_to": _Way(False, get_args(Role), ("given file",), "made file"),
}


@attrs.define
class Walk:
    """A walk in one direction, which can be interrupted after each part and continued.

    Attributes:
        digest: of what was asked for.
        direction: where it leads.
        most_open: how many files it looks out for at once.
    """

    digest: str
    direction: Direction
    most_open: int = MOST_OPEN
    _open: dict[str, str] = attrs.field(factory=dict, init=False)

    @classmethod
    def begun(
        cls, records: Records, digest: str, direction: Direction, most_open: int = MOST_OPEN
    ) -> Walk:
        """A walk at its beginning."""
        walk = cls(digest, direction, most_open)
        walk._look_out(records, [digest], None)
        return walk

    @classmethod
    def resumed(cls, cursor: str) -> Walk:
        """A walk where a page ended.

        Raises:
            InvalidValueError: it is no cursor.
        """
        try:
            packed = base64.urlsafe_b64decode(cursor.encode("ascii"))
            state = json.loads(zlib.decompressobj().decompress(packed, _CURSOR_BYTES))
            found = documents.structure(state, _Cursor, "the cursor")
        except (ValueError, zlib.error, binascii.Error, InvalidValueError) as error:
            raise InvalidValueError(
                f"{cursor[:40]!r} is no cursor of a lineage; give what the page before says is next"
            ) from error
        walk = cls(found.digest, found.direction)
        walk._open.update(found.open)
        return walk

    @property
    def cursor(self) -> str:
        """What ``resumed`` goes on from; empty at the end of the walk."""
        if not self._open:
            return ""
        state = documents.dumps(_Cursor(self.digest, self.direction, self._open))
        return base64.urlsafe_b64encode(zlib.compress(state.encode(), 9)).decode()

    def parts(self, records: Records) -> Iterator[Part]:
        """The parts from here on, each in another run.

        A run of which a value is damaged is left out with a warning.
        """
        way = _WAYS[self.direction]
        while self._open:
            run = (max if way.older else min)(self._open.values())
            through = [digest for digest, at in self._open.items() if at == run]
            for digest in through:
                del self._open[digest]
            visited = intact([(run, through)], lambda each: self._visit(records, *each))
            files = dict.fromkeys(through)
            for _, left_by in visited:
                files |= left_by
            given_up = self._look_out(
                records, [each for each in files if each not in self._open], run
            )
            for part, _ in visited:
                yield attrs.evolve(part, not_followed=given_up)

    def page(self, records: Records, limit: int) -> Page:
        """The next parts and where they end."""
        parts = tuple(itertools.islice(self.parts(records), limit))
        return Page(self.digest, self.direction, parts, self.cursor)

    def _visit(
        self, records: Records, run: str, through: Collection[str]
    ) -> tuple[Part, dict[str, None]]:
        """One run, and the files by which the walk leaves it."""
        way, walk = _WAYS[self.direction], upstream if _WAYS[self.direction].older else downstream
        values = {value.port: value for value in records.values(run)}
        edges = records.edges(run)
        starts = [port for port, value in values.items() if self._enters(value, through, way)]
        found = walk(edges, *starts)
        reached = {port: values[port] for port in found if port in values}
        walked = {*starts, *reached}
        part = Part(
            run,
            tuple(through),
            tuple(values[port] for port in starts if port not in reached),
            tuple(reached.values()),
            tuple(each for each in edges if each.source in walked and each.target in walked),
        )
        leaving = (
            digest
            for value in reached.values()
            for digest, role in roles_of(value).items()
            if role == way.leaving
        )
        return part, dict.fromkeys(leaving)

    def _enters(self, value: FieldValue, through: Collection[str], way: _Way) -> bool:
        roles = roles_of(value)
        return any(
            digest in roles and roles[digest] in (way.first if digest == self.digest else way.link)
            for digest in through
        )

    def _look_out(
        self, records: Records, digests: Collection[str], beyond: str | None
    ) -> tuple[str, ...]:
        """Look where each digest is next; give up those that are farthest when they are too many.

        Returns:
            Those given up.
        """
        way = _WAYS[self.direction]
        own = [each for each in digests if each == self.digest]
        for sought, roles in ((own, way.first), ([*set(digests) - set(own)], way.link)):
            if sought:
                self._open.update(records.next_runs(sought, roles, beyond, older=way.older))
        nearest = sorted(self._open, key=lambda each: (self._open[each], each), reverse=way.older)
        surplus = nearest[self.most_open :]
        for digest in surplus:
            del self._open[digest]
        return tuple(surplus)


def digest_named(text: str, working: Path, find: Callable[[str], str]) -> str:
    """The digest that is meant.

    Arguments:
        text: a file, of which only the content matters, or a digest, or the beginning of one.
        working: the folder that a relative path is in.
        find: the recorded digest that begins so.

    Raises:
        NotFoundError: it is neither, or nothing recorded has it.
    """
    path = working / Path(text).expanduser()
    if path.is_file():
        with path.open("rb") as opened:
            return "sha256:" + hashlib.file_digest(opened, "sha256").hexdigest()
    if _DIGEST.fullmatch(text):
        return find("sha256:" + text.removeprefix("sha256:").lower())
    raise NotFoundError(
        f"{text!r} is neither a file nor a digest (sha256:..., or at least 8 digits of it)"
    )


@attrs.frozen
class _Cursor:
    digest: str
    direction: Direction
    open: dict[str, str]


def trace(records: Records, digest: str, limit: int) -> Trace:
    """What something came from and what came of it, over all runs.

    Arguments:
        records: the metadata store.
        digest: of a value or file.
        limit: how many runs at most, in each direction.
    """
    made_from, led_to = (
        Walk.begun(records, digest, direction).page(records, limit) for direction in _WAYS
    )
    return Trace(digest, made_from, led_to)
