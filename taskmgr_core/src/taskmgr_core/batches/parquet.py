"""Results as a Parquet file, which cannot grow: until the end rows are kept beside it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from taskmgr_core.batches.columns import BATCH, Columns, Row
from taskmgr_core.batches.files import JsonLines, RowFile
from taskmgr_core.errors import InvalidValueError, with_advice

_GROUP_ROWS = 10_000
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}
)


class ParquetResults:
    """Results that become a Parquet file when the batch ends, in whichever way.

    Until then they are lines of JSON in ``<name>.part``, which outlive a kill.

    Arguments:
        path: the file; what it has already is taken over.
        columns: what its columns are.

    Raises:
        InvalidValueError: pyarrow is not installed, or the file holds something else.
        ConflictError: as for ``RowFile``.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        _arrow()
        self._path, self._columns = path, columns
        self._part = path.with_name(f"{path.name}.part")
        if path.exists() and not self._part.exists():
            self._take_over()
        self._rows = RowFile(self._part, JsonLines(), columns.batch)
        self.done = self._rows.done

    def add(self, row: Row) -> None:
        """Add a row."""
        self._rows.add(row)

    def close(self) -> None:
        """Write the Parquet file, and remove what was kept beside it.

        Raises:
            InvalidValueError: it cannot be written; what was kept stays.
        """
        aside = self._path.with_name(f".{self._path.name}.new")
        try:
            self._write(aside)
            aside.replace(self._path)
        except (OSError, ValueError, TypeError, OverflowError) as error:
            aside.unlink(missing_ok=True)
            message = f"{self._path} cannot be written ({error}); the results are in {self._part}"
            raise InvalidValueError(with_advice(message, error)) from error
        finally:
            self._rows.close()
        self._part.unlink()

    def _write(self, target: Path) -> None:
        arrow = _arrow()
        schema = arrow.schema(
            [
                arrow.field(name, getattr(arrow, _TYPES.get(kind, "string"))())
                for name, kind in self._columns.kinds.items()
            ]
        )
        with arrow.parquet.ParquetWriter(target, schema) as writer:
            cells = map(self._columns.cells, self._rows.rows())
            while group := list(itertools.islice(cells, _GROUP_ROWS)):
                writer.write_table(arrow.Table.from_pylist(group, schema))
        with target.open("rb") as written:
            os.fsync(written.fileno())

    def _take_over(self) -> None:
        aside = self._part.with_name(f".{self._part.name}.new")
        with aside.open("w", encoding="utf-8") as lines:
            lines.writelines(map(JsonLines().encode, self._recorded()))
        aside.replace(self._part)

    def _recorded(self) -> Iterator[Row]:
        arrow = _arrow()
        try:
            with arrow.parquet.ParquetFile(self._path) as file:
                names = [name for name in file.schema_arrow.names if name != BATCH]
                if names != [name for name in self._columns.kinds if name != BATCH]:
                    raise InvalidValueError(
                        f"{self._path} has the columns {', '.join(names)}; give another --out"
                    )
                for batch in file.iter_batches(_GROUP_ROWS):
                    yield from map(self._columns.values, batch.to_pylist())
        except arrow.ArrowInvalid as error:
            raise InvalidValueError(
                f"{self._path} is no Parquet file ({error}); give another --out"
            ) from error


def _arrow() -> Any:
    """It is large and slow to import, and not everybody has it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InvalidValueError(
            "Parquet files need pyarrow, which is not installed; install it with: pip install "
            "'taskmgr-core[parquet]', or give an --out that ends with .jsonl or .csv"
        ) from None
    return pyarrow
