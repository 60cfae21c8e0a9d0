"""Cases for a task: inputs with what is expected of it, as files beside its sources.

A case is a folder with ``input.json``; with ``expected.json`` the outputs that it names are
compared, with ``failure.json`` the task has to fail in that way. Paths in them start from the
case's own folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import InvalidValueError

INPUT, EXPECTED, FAILURE = "input.json", "expected.json", "failure.json"
TOLERANCE = 1e-6
# Near zero a share of a number is nothing: less counts as much as this.
SMALLEST = 1e-3
MOST_DIFFERENCES = 20
_SHOWN = 60
_ABSENT = object()


@attrs.frozen
class Case:
    """One case.

    Attributes:
        name: its folder's.
        folder: where it lies; paths in it start there.
        inputs: input -> value.
        expected: output -> value; None where nothing is said of the outputs.
        failure: ``code`` and ``message``, the latter a part of what is said; None where the
            task has to succeed.
    """

    name: str
    folder: Path
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any] | None = None
    failure: Mapping[str, str] | None = None


@attrs.frozen
class Difference:
    """A place where something else came than was expected.

    Attributes:
        place: as ``faces[2].score``.
        text: what was expected there, and what came.
    """

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def read_cases(folder: Path) -> tuple[Case, ...]:
    """The cases in a folder, by name; the folder itself if it is one.

    Raises:
        InvalidValueError: there is none, or a file of one cannot be read.
    """
    if (folder / INPUT).is_file():
        return (_case(folder),)
    found = sorted(each for each in folder.iterdir() if each.is_dir() and _is_meant(each))
    if not found:
        raise InvalidValueError(
            f"{folder} has no cases; a case is a folder in it with {INPUT}, and {EXPECTED} with "
            "the outputs that are expected"
        )
    return tuple(map(_case, found))


def _is_meant(folder: Path) -> bool:
    """A folder of files for several cases is none."""
    return any((folder / name).exists() for name in (INPUT, EXPECTED, FAILURE))


def _case(folder: Path) -> Case:
    expected, failure = _object(folder / EXPECTED), _object(folder / FAILURE)
    inputs = _object(folder / INPUT)
    if inputs is None:
        raise InvalidValueError(f"the case {folder} has no {INPUT}")
    if expected is not None and failure is not None:
        raise InvalidValueError(
            f"the case {folder} has {EXPECTED} and {FAILURE}: a task that fails has no outputs; "
            "keep one of them"
        )
    if failure is not None:
        _check_failure(folder / FAILURE, failure)
    return Case(folder.resolve().name, folder, inputs, expected, failure)


def _check_failure(path: Path, failure: Mapping[str, Any]) -> None:
    known = {"code", "message"}
    if not failure or set(failure) - known or not all(isinstance(v, str) for v in failure.values()):
        raise InvalidValueError(
            f'{path}: it says how the task has to fail, as {{"code": "invalid-input", "message": '
            '"a part of what is said"}, or one of the two'
        )


def _object(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidValueError(f'{path}: it must be an object, as {{"field": value}}')
    return document


def differences(
    case: Case, outputs: Mapping[str, Any], tolerance: float = TOLERANCE
) -> list[Difference]:
    """Where the outputs are not what a case expects.

    Outputs that it does not name are not compared; of those that it names, everything is.

    Arguments:
        case: with ``expected``.
        outputs: output -> JSON, arrays as lists, files as references.
        tolerance: by what share of its size a number may be another.
    """
    found: list[Difference] = []
    for name, value in (case.expected or {}).items():
        got = outputs.get(name, _ABSENT)
        for each in _compared(value, got, name, case.folder, tolerance):
            found.append(each)
            if len(found) == MOST_DIFFERENCES:
                return [*found, Difference("...", "and perhaps more")]
    return found


def failure_differences(case: Case, code: str, message: str) -> list[Difference]:
    """Where a failure is not what a case expects.

    Arguments:
        case: with ``failure``.
        code: the failure's.
        message: what was said.
    """
    wanted, found = case.failure or {}, []
    if wanted.get("code", code) != code:
        found.append(Difference("code", f"expected {wanted['code']}, got {code}: {message}"))
    if wanted.get("message", "") not in message:
        found.append(Difference("message", f"expected {wanted['message']!r} in {message!r}"))
    return found


def _compared(
    wanted: Any, got: Any, place: str, folder: Path, tolerance: float
) -> Iterator[Difference]:
    if got is _ABSENT:
        yield Difference(place, f"expected {_shown(wanted)}, and there is none")
    elif _is_reference(got) and isinstance(wanted, str):
        yield from _file_differs(folder / wanted, got, place)
    elif isinstance(wanted, Mapping) and isinstance(got, Mapping):
        yield from _objects(wanted, got, place, folder, tolerance)
    elif isinstance(wanted, list) and isinstance(got, list | tuple):
        yield from _lists(wanted, got, place, folder, tolerance)
    elif _is_number(wanted) and _is_number(got):
        if not _is_close(wanted, got, tolerance):
            by = _by(wanted, got, tolerance)
            yield Difference(place, f"expected {wanted!r}, got {got!r}{by}")
    elif type(wanted) is not type(got) or wanted != got:
        yield Difference(place, f"expected {_shown(wanted)}, got {_shown(got)}")


def _objects(
    wanted: Mapping[str, Any], got: Mapping[str, Any], place: str, folder: Path, tolerance: float
) -> Iterator[Difference]:
    for name, value in wanted.items():
        there = got.get(name, _ABSENT)
        yield from _compared(value, there, f"{place}.{name}", folder, tolerance)
    for name in got.keys() - wanted.keys():
        yield Difference(f"{place}.{name}", f"got {_shown(got[name])}, and none is expected")


def _lists(
    wanted: Sequence[Any], got: Sequence[Any], place: str, folder: Path, tolerance: float
) -> Iterator[Difference]:
    if len(wanted) != len(got):
        yield Difference(place, f"expected {len(wanted)} entries, got {len(got)}")
    for at, (value, there) in enumerate(zip(wanted, got, strict=False)):
        yield from _compared(value, there, f"{place}[{at}]", folder, tolerance)


def _file_differs(path: Path, got: Mapping[str, Any], place: str) -> Iterator[Difference]:
    import hashlib  # with the files, which few cases have

    try:
        with path.open("rb") as opened:
            digest = f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"
    except OSError as error:
        raise InvalidValueError(f"{path} cannot be read: {error.strerror}") from error
    if digest != got["$artifact"]:
        told = f"{got.get('name') or 'a file'} of {got.get('size', '?')} bytes"
        yield Difference(place, f"expected what is in {path.name}, got {told} with other content")


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("$artifact"), str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_close(wanted: float, got: float, tolerance: float) -> bool:
    """Counts are exact, measures are near enough."""
    if wanted == got or (isinstance(wanted, int) and isinstance(got, int)):
        return wanted == got
    try:
        return math.isclose(wanted, got, rel_tol=tolerance, abs_tol=tolerance * SMALLEST)
    except OverflowError:  # a whole number that no float can be near
        return False


def _by(wanted: float, got: float, tolerance: float) -> str:
    """How far off a fraction is, and how far it may be."""
    if isinstance(wanted, int) and isinstance(got, int):
        return ""
    try:
        allowed = max(abs(wanted), abs(got), SMALLEST) * tolerance
    except OverflowError:
        return ""
    return f" (off by {abs(wanted - got):.3g}, allowed is {allowed:.1g})"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
