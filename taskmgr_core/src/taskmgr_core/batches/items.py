"""What a batch works on: items with an id, from files or from lines of JSON."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.errors import InvalidValueError, NotFoundError, TaskmgrError

_ID_DIGITS = 16
# Gives the inputs that one file, or one line, stands for.
Read = Callable[[Any], Mapping[str, Any]]


@attrs.frozen
class Item:
    """One of the inputs of a batch.

    Attributes:
        id: what it is known by when the batch goes on: a path, or what the caller says.
        inputs: of the run.
        problem: why it has no inputs; then it fails without a run.
    """

    id: str
    inputs: Mapping[str, Any] = attrs.field(factory=dict)
    problem: str = ""


@attrs.define
class _Names:
    """Gives the lines of one file their ids.

    Attributes:
        field: the property with the id; empty for a digest.
        lines: id -> the line that has it.
        times: digest -> how many lines had it so far.
    """

    field: str
    lines: dict[str, int] = attrs.field(factory=dict)
    times: dict[str, int] = attrs.field(factory=dict)

    def identified(self, document: Any, number: int) -> tuple[str, Mapping[str, Any]]:
        """The id and the inputs of the object on a line."""
        if not isinstance(document, dict):
            raise InvalidValueError('it must be an object, as {"field": value}')
        if not self.field:
            return self._digest(document), document
        if not isinstance(document.get(self.field), str | int):
            raise InvalidValueError(
                f"it has no text or number {self.field!r}, which is to be its id"
            )
        item_id = str(document[self.field])
        first = self.lines.setdefault(item_id, number)
        if first != number:
            raise InvalidValueError(
                f"its id {item_id!r} is that of line {first} too; give each line its own "
                f"{self.field}"
            )
        return item_id, {k: v for k, v in document.items() if k != self.field}

    def _digest(self, document: Mapping[str, Any]) -> str:
        digest = digest_of(canonical(document)).rpartition(":")[2][:_ID_DIGITS]
        self.times[digest] = self.times.get(digest, 0) + 1
        return digest if self.times[digest] == 1 else f"{digest}-{self.times[digest]}"


def items_of(inputs: Iterable[Mapping[str, Any] | Item]) -> Iterator[Item]:
    """Items as they are; other inputs get their place, from 0, as the id."""
    for place, each in enumerate(inputs):
        yield each if isinstance(each, Item) else Item(str(place), each)


def paths_of(patterns: Iterable[str]) -> list[str]:
    """The files that patterns such as ``images/*.jpg`` or ``**/*.wav`` name, each once, in order.

    Raises:
        NotFoundError: a pattern names no file.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        # Path.glob takes no absolute pattern.
        named = glob.glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207
        matching = [each for each in named if Path(each).is_file()]
        if not matching:
            raise NotFoundError(
                f"no file is named by {pattern!r}; ** stands for any folders, and quotes keep the "
                f"shell from reading it"
            )
        found.update(dict.fromkeys(sorted(matching)))
    return list(found)


def of_files(paths: Iterable[str], read: Read) -> Iterator[Item]:
    """An item for each file, its path the id.

    Arguments:
        paths: as from ``paths_of``.
        read: gives the inputs for a path; what it refuses becomes the item's problem.
    """
    for path in paths:
        yield _item(path, path, read)


def of_lines(path: Path, read: Read, field: str = "") -> Iterator[Item]:
    """An item for each line of a file of JSON objects; empty lines are left out.

    Only the line that is read is in memory, and the ids of those before it. A second line with
    an id of an earlier one has a problem: which of them was done would be a matter of chance.

    Arguments:
        path: the file.
        read: gives the inputs for an object.
        field: the property with the item's id, which is no input then. Without it the id is
            a digest of the object, so that lines may be moved and added between two calls.

    Raises:
        InvalidValueError: the file cannot be read.
    """
    names = _Names(field)
    for number, line in _lines(path):
        try:
            item_id, inputs = names.identified(json.loads(line), number)
        except (ValueError, RecursionError, InvalidValueError) as error:
            yield Item(f"line {number}", problem=f"line {number} of {path}: {error}")
        else:
            yield _item(item_id, inputs, read)


def count_lines(path: Path) -> int | None:
    """How many items ``of_lines`` gives; None where it can be read only once, as a pipe can.

    Raises:
        InvalidValueError: the file cannot be read.
    """
    if path.exists() and not path.is_file():
        return None
    return sum(1 for _ in _lines(path))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise InvalidValueError(f"the file {path} cannot be read: {reason}") from error


def _item(item_id: str, given: Any, read: Read) -> Item:
    try:
        return Item(item_id, read(given))
    except TaskmgrError as error:
        return Item(item_id, problem=str(error))
