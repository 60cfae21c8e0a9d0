"""Files to which rows are added one by one, so that a kill in the middle of one loses no other."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import attrs

from taskmgr_core.batches.columns import BATCH, ITEM, Columns, Row
from taskmgr_core.errors import ConflictError, InvalidValueError, with_advice

SYNC_SECONDS = 1.0


class Results(Protocol):
    """Where the results of a batch are kept.

    Attributes:
        done: the ids of the items that have a result.
    """

    done: set[str]

    def add(self, row: Row) -> None:
        """Keep a result: it outlives this process when the call returns."""

    def close(self) -> None:
        """Have all of it in the file that was asked for."""


class Codec(Protocol):
    """How rows become text and back.

    Attributes:
        quotes: whether a newline inside quotes ends no row.
        head: what stands before the rows.
    """

    @property
    def quotes(self) -> bool:
        """See above."""

    @property
    def head(self) -> str:
        """See above."""

    def encode(self, row: Row) -> str:
        """A row, its newline included."""

    def decode(self, lines: Iterable[str]) -> Iterator[Row]:
        """The rows of lines, the head included.

        Raises:
            ValueError: they are none.
        """


class JsonLines:
    """One JSON object on each line."""

    quotes = False
    head = ""

    def encode(self, row: Row) -> str:
        """A row, its newline included."""
        return json.dumps(row, ensure_ascii=False) + "\n"

    def decode(self, lines: Iterable[str]) -> Iterator[Row]:
        """The rows of lines."""
        for line in lines:
            row = json.loads(line)
            if not isinstance(row, dict) or not isinstance(row.get(ITEM), str):
                raise ValueError("it is no object with an item")  # noqa: TRY004 - text, no type
            yield row


@attrs.frozen
class Csv:
    """Values separated by commas, as RFC 4180 has them; lists and objects as JSON.

    Attributes:
        columns: what the columns are.
    """

    columns: Columns
    quotes = True

    @property
    def head(self) -> str:
        """The names of the columns."""
        return self._line(list(self.columns.kinds))

    def encode(self, row: Row) -> str:
        """A row, its newline included."""
        cells = self.columns.cells(row).values()
        return self._line([json.dumps(each) if isinstance(each, bool) else each for each in cells])

    def decode(self, lines: Iterable[str]) -> Iterator[Row]:
        """The rows of lines, all values as text."""
        rows = csv.DictReader(lines, strict=True)
        if list(rows.fieldnames or ()) != list(self.columns.kinds):
            raise ValueError(f"its columns are not {', '.join(self.columns.kinds)}")
        yield from rows

    def _line(self, cells: list[Any]) -> str:
        written = io.StringIO(newline="")
        csv.writer(written, lineterminator="\n").writerow(cells)
        return written.getvalue()


class RowFile:
    """A file of rows that belongs to one batch, and to one process at a time.

    A row that a kill cut off is removed when the file is opened: its item is not done.

    Arguments:
        path: the file; made where it is not there.
        codec: how rows are written.
        batch: whose rows they have to be; empty for any.

    Raises:
        ConflictError: another process adds to it, or it has rows of another batch.
        InvalidValueError: it holds something else, or cannot be read or written.
    """

    def __init__(self, path: Path, codec: Codec, batch: str = "") -> None:
        self._path, self._codec, self._synced = path, codec, time.monotonic()
        self._file = self._reported(lambda: path.open("a+b", buffering=0))
        try:
            self._lock()
            self._mend()
            self.done = {row[ITEM] for row in self.rows(batch)}
        except BaseException:
            self._file.close()
            raise

    def add(self, row: Row) -> None:
        """Add a row."""
        self._reported(lambda: self._write(self._codec.encode(row)))

    def rows(self, batch: str = "") -> Iterator[Row]:
        """Every row, from the beginning."""
        try:
            with self._path.open(encoding="utf-8", newline="") as lines:
                for row in self._codec.decode(lines):
                    if batch and row.get(BATCH) != batch:
                        raise ConflictError(
                            f"{self._path} has results of the batch {row.get(BATCH)}, and this is "
                            f"{batch}: another pipeline or other values; give another --out"
                        )
                    yield row
        except (ValueError, csv.Error, RecursionError) as error:
            raise InvalidValueError(
                f"{self._path} is no file of this batch's results ({error}); give another --out, "
                f"or remove it to begin again"
            ) from error

    def close(self) -> None:
        """Close it, all of it on the disk."""
        if not self._file.closed:
            self._reported(lambda: os.fsync(self._file.fileno()))
            self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"another process adds results to {self._path}; wait for it, or give another --out"
            ) from None

    def _mend(self) -> None:
        whole = _whole_length(self._path, self._codec.quotes)
        self._reported(lambda: self._file.truncate(whole))
        if not whole and self._codec.head:
            self._reported(lambda: self._write(self._codec.head))

    def _write(self, text: str) -> None:
        content = text.encode()
        if self._file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _reported(self, write: Callable[[], Any]) -> Any:
        try:
            return write()
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror or error}"
            raise InvalidValueError(with_advice(message, error)) from error


class Failures:
    """The items that have failed, with the reason, one JSON object on each line.

    Arguments:
        path: the file; there is none where nothing has failed.

    Raises:
        ConflictError, InvalidValueError: as for ``RowFile``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: RowFile | None = None
        self._rows: dict[str, Row] = {}
        self._now: set[str] = set()
        if path.exists():
            self._file = RowFile(path, JsonLines())
            self._rows = {row[ITEM]: row for row in self._file.rows()}

    def add(self, row: Row) -> None:
        """Keep a failure; it stands in place of an earlier one of the same item."""
        if self._file is None:
            self._file = RowFile(self._path, JsonLines())
        self._file.add(row)
        self._rows[row[ITEM]] = row
        self._now.add(row[ITEM])

    def close(self, done: set[str], *, whole: bool) -> list[Row]:
        """Leave what has failed and was not done since.

        Arguments:
            done: the items that have a result.
            whole: whether every item was tried since it was opened; then no older failure
                stays, of an item that is not there any more.

        Returns:
            The failures that are left.
        """
        left = [
            row
            for item, row in self._rows.items()
            if item not in done and (item in self._now or not whole)
        ]
        if self._file is None:
            return left
        self._file.close()
        if left:
            aside = self._path.with_name(f".{self._path.name}.new")
            aside.write_text("".join(map(JsonLines().encode, left)), encoding="utf-8")
            aside.replace(self._path)
        else:
            self._path.unlink(missing_ok=True)
        return left


def _whole_length(path: Path, quotes: bool) -> int:
    """How many bytes the rows have that are there as a whole."""
    whole = position = 0
    inside = False
    with path.open("rb") as lines:
        for line in lines:
            position += len(line)
            if quotes and line.count(b'"') % 2:
                inside = not inside
            if line.endswith(b"\n") and not inside:
                whole = position
    return whole
