"""The contracts of a task that one call, or a few, can tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from taskmgr_core.errors import RunnerError
from taskmgr_core.runners import Runner
from taskmgr_core.testing.contract.broken import ContractBrokenError, NotClaimedError
from taskmgr_core.testing.contract.generating import Case
from taskmgr_core.testing.contract.names import LOADS, ROUND_TRIP, SAME, SURVIVES
from taskmgr_core.testing.contract.plugin_checks import asked
from taskmgr_core.testing.contract.stand import Answered, Stand, end, told
from taskmgr_core.values import references

_TRIES = 3
_SHOWN = 200
_DEADLY = ("crashed", "timeout", "memory")


def schemas(stand: Stand) -> None:
    """The schemas of all fields are JSON Schemas."""
    stand.check_schemas()


def models(stand: Stand) -> None:
    """Every declared model is there, with the declared digest."""
    stand.stage.models(stand.task)


def answers(stand: Stand) -> None:
    """Every sample is answered with what fits the outputs' schemas."""
    stand.answered()


def loads(stand: Stand) -> None:
    """The task is loaded within the seconds that its author claims.

    The best of three counts: the first may read a cold disk, and the machine may be busy.

    Raises:
        ContractBrokenError: it is not.
    """
    budget, best = stand.claims.load_seconds, stand.load_seconds()
    for _ in range(_TRIES - 1):
        if best <= budget:
            return
        runner, seconds = stand.fresh()
        end(runner)
        best = min(best, seconds)
    if best > budget:
        raise ContractBrokenError(
            LOADS,
            seen=f"loading took {best:.2f} s, the best of {_TRIES}, its imports included",
            allowed=f"{budget:g} s (load_seconds)",
            change="make the imports and load_model faster, as by shipping the weights in a format "
            "that is mapped; or claim more: [tool.taskmgr.contract] load_seconds in pyproject.toml",
        )


# values


def round_trip(stand: Stand) -> None:
    """Values come back as they were, from JSON to what the task gets and to JSON again.

    Raises:
        ContractBrokenError: one does not.
    """
    values = [
        *(("input", name, each) for name, each in _input_values(stand)),
        *(("output", name, each) for one in stand.answered() for name, each in one.outputs.items()),
    ]
    paths = {
        digest: str(stand.stage.artifacts.local_path(digest))
        for _, _, value in values
        for each in references(value)
        if (digest := str(each["$artifact"])) and stand.stage.artifacts.exists(digest)
    }
    distribution = stand.stage.installed().release.distribution
    found = asked(
        stand.stage,
        kind="round-trip",
        distribution=distribution,
        task=stand.task,
        paths=paths,
        values=values,
    )
    for (kind, name, _), both in zip(values, found, strict=True):
        if both is not None and (other := _difference(both[0], both[1], name)):
            place, before, after = other
            raise ContractBrokenError(
                ROUND_TRIP,
                seen=f"{kind} {place}: {_shown(before)} came back as {_shown(after)}",
                allowed="a value that is read from JSON and written again is the same, so that the "
                "next task gets what this one gave",
                change=f"the class of {kind} {name}: a converter, or __attrs_post_init__, that "
                "changes its values; do that in the task",
            )


def _input_values(stand: Stand) -> Iterator[tuple[str, Any]]:
    for sample in stand.samples():
        yield from sample.inputs.items()
    base = stand.samples()[0].inputs
    for case in stand.edges():
        yield from ((name, each) for name, each in case.value.items() if each is not base.get(name))


def _difference(before: Any, after: Any, place: str) -> tuple[str, Any, Any] | None:
    """The first place that is different; what a class does not know, or adds, does not count."""
    if isinstance(before, dict) and isinstance(after, dict):
        both = [name for name in before if name in after]
        ways = ((before[name], after[name], f"{place}.{name}") for name in both)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        ways = ((one, other, f"{place}[{at}]") for at, (one, other) in pairs)
    else:
        return None if before == after else (place, before, after)
    found = (_difference(*way) for way in ways)
    return next((each for each in found if each is not None), None)


# inputs that are odd


def survives(stand: Stand) -> None:
    """Empty, extreme and wrong inputs are answered, and do not end the runner.

    Raises:
        ContractBrokenError: one did.
    """
    cases = [("inputs that fit", case) for case in stand.edges()]
    cases += [("wrong inputs", case) for case in stand.wrong()]
    runner = stand.warm()
    for kind, case in cases:
        problem = _problem(stand, runner, case)
        if problem is None and not runner.alive:
            problem = "crashed", "the runner answered, and died then"
        if problem is not None:
            code, seen = problem
            raise ContractBrokenError(
                SURVIVES,
                seen=f"{kind}, {case.what}: {seen}\nthe inputs were {_shown(case.value)}",
                allowed="a result, or an error (best an InvalidInputError that says what to give), "
                "from a runner that lives",
                change=_cure(code),
            )


def _problem(stand: Stand, runner: Runner, case: Case) -> tuple[str, str] | None:
    """How a runner ended over some inputs; None when it lives."""
    try:
        stand.call(runner, case.value, keep=False)
    except RunnerError as error:
        deadly = error.code in _DEADLY or not runner.alive
        return (error.code, told(error)) if deadly else None
    return None


def _cure(code: str) -> str:
    if code in ("timeout", "memory"):
        return (
            "refuse such an input at once with InvalidInputError; or say in the schema what is "
            'allowed, as Annotated[int, {"maximum": 1000}]: then nobody can give it'
        )
    return (
        "check the input before it reaches native code, and raise InvalidInputError; never end "
        "the process"
    )


# the same twice


def same(stand: Stand) -> None:
    """Equal inputs give equal outputs, in one process and in another.

    Raises:
        ContractBrokenError: they do not.
        NotClaimedError: nobody says that they do.
    """
    if not stand.claims.deterministic:
        raise NotClaimedError(
            "not claimed; with deterministic = true in [tool.taskmgr.contract] it is checked"
        )
    answered = stand.answered()
    for one in answered:
        _check_same(one, stand.again(stand.warm(), one.sample, SAME), "a second time")
    fresh, _ = stand.fresh()
    try:
        for one in answered:
            _check_same(one, stand.again(fresh, one.sample, SAME), "in a fresh process")
    finally:
        end(fresh)


def _check_same(one: Answered, again: Mapping[str, Any], when: str) -> None:
    other = _difference(_by_digest(one.outputs), _by_digest(again), "")
    if other is not None:
        place, before, after = other
        raise ContractBrokenError(
            SAME,
            seen=f"the inputs {one.sample.name}, {when}: the output {place.lstrip('.')} was "
            f"{_shown(before)} and then {_shown(after)}",
            allowed="equal inputs give equal outputs, as deterministic = true claims",
            change="seed what is random in each call, sort what comes out of a set, keep nothing "
            "from call to call; or claim deterministic = false",
        )


def _by_digest(document: Any) -> Any:
    """Files by their content alone: their names are chosen anew each time."""
    if isinstance(document, Mapping):
        if "$artifact" in document:
            return document["$artifact"]
        return {name: _by_digest(each) for name, each in document.items()}
    return [_by_digest(each) for each in document] if isinstance(document, list) else document


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."
