"""Submitting once, however often the request is sent: the key that a client gives it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs

from taskmgr_core.accounts.interface import Principal
from taskmgr_core.api.models.runs import Submission
from taskmgr_core.api.problems import RequestError
from taskmgr_core.documents import canonical, unstructure
from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.requests import KEPT_SECONDS, Answered
from taskmgr_plugins.fields import File

# A run's id and whether it was there already, or why there is none.
Outcome: TypeAlias = tuple[str, bool] | Exception


class Submit(Protocol):
    """Submits a run under an id; gives the id."""

    def __call__(self, *, run_id: str | None = None) -> str:
        """Submit."""


class SubmitEach(Protocol):
    """Submits some of the requests at hand."""

    def __call__(self, chosen: Sequence[tuple[int, str]], /) -> list[str | Exception]:
        """Submit those at some places under some ids; the id of each, or what is wrong."""


@attrs.frozen
class Key:
    """The key of a request.

    Attributes:
        name: whose it is, and what they call it; nobody meets the keys of others.
        fingerprint: what tells the request from every other one.
    """

    name: str
    fingerprint: str

    @classmethod
    def of(
        cls,
        principal: Principal,
        key: str,
        asked: Submission,
        files: Mapping[str, Sequence[File]],
    ) -> Key:
        """The key of a submission.

        Arguments:
            principal: who asks.
            key: as the client gives it.
            asked: the submission.
            files: what was uploaded with it.
        """
        told = hashlib.sha256(canonical(unstructure(asked)))
        for name in sorted(files):
            for each in files[name]:
                with each.path.open("rb") as opened:
                    content = hashlib.file_digest(opened, "sha256").hexdigest()
                told.update(canonical([name, each.name, content]))
        return cls(f"{principal.workspace}/{principal.name}/{key}", told.hexdigest())


def once(
    metadata: MetadataStore, key: Key, submit: Submit, clock: Callable[[], float] = time.time
) -> tuple[str, bool]:
    """Submit a run, unless it was submitted with that key; see ``each_once``.

    Arguments:
        metadata: where keys and runs are recorded.
        key: the request's.
        submit: submits it.
        clock: UTC seconds.

    Returns:
        The run's id, and whether it was there.

    Raises:
        RequestError: the key was used for another request.
        TaskmgrError: it cannot be submitted; the key is free again.
    """

    def submit_one(chosen: Sequence[tuple[int, str]]) -> list[str | Exception]:
        try:
            return [submit(run_id=run_id) for _, run_id in chosen]
        except TaskmgrError as error:
            return [error]

    (told,) = each_once(metadata, [key], submit_one, clock)
    if isinstance(told, Exception):
        raise told
    return told


def each_once(
    metadata: MetadataStore,
    keys: Sequence[Key | None],
    submit: SubmitEach,
    clock: Callable[[], float] = time.time,
) -> list[Outcome]:
    """Submit runs, each unless it was submitted with its key.

    The id of a run is recorded with the key before the run is: whoever comes again after a
    crash in between records the run under that id, and of two at once one finds the other's.
    Where it cannot be submitted, its key is free again.

    Arguments:
        metadata: where keys and runs are recorded.
        keys: of each request; None for one that has none.
        submit: submits some of them.
        clock: UTC seconds.

    Returns:
        Of each, in their order: the run's id and whether it was there, or what is wrong.
    """
    ids = [new_run_id() for _ in keys]
    outcomes: dict[int, Outcome] = {}
    keyed = {place: key for place, key in enumerate(keys) if key is not None}
    if keyed:
        outcomes = _begun(metadata, keyed, ids, clock())
    left = [place for place in range(len(keys)) if place not in outcomes]
    told = submit([(place, ids[place]) for place in left]) if left else []
    for place, each in zip(left, told, strict=True):
        if isinstance(each, TaskmgrError) and place in keyed:
            outcomes[place] = _failed(metadata, keyed[place], ids[place], each)
        else:
            outcomes[place] = each if isinstance(each, Exception) else (each, False)
    return [outcomes[place] for place in range(len(keys))]


def _begun(
    metadata: MetadataStore, keyed: Mapping[int, Key], ids: list[str], now: float
) -> dict[int, Outcome]:
    """Record keys; what is answered by that. The others get the ids that were promised."""
    asked = [Answered(key.name, key.fingerprint, ids[at], now) for at, key in keyed.items()]
    try:
        found = metadata.requests.begin_all(asked, KEPT_SECONDS)
        there = {
            each.run: _is_recorded(metadata, each.run)
            for each, wanted in zip(found, asked, strict=True)
            if each.run != wanted.run
        }
    except TaskmgrError as error:
        return dict.fromkeys(keyed, error)
    outcomes: dict[int, Outcome] = {}
    for (place, key), each in zip(keyed.items(), found, strict=True):
        if each.fingerprint != key.fingerprint:
            outcomes[place] = RequestError(
                "key-reused",
                "this Idempotency-Key was used for another request within the last day; make a "
                "new key for each run",
            )
        elif there.get(each.run):
            outcomes[place] = each.run, True
        else:
            ids[place] = each.run
    return outcomes


def _failed(metadata: MetadataStore, key: Key, run_id: str, error: TaskmgrError) -> Outcome:
    try:
        if _is_recorded(metadata, run_id):  # by somebody who sent the same at the same time
            return run_id, True
        metadata.requests.forget(key.name)
    except TaskmgrError as worse:
        return worse
    return error


def _is_recorded(metadata: MetadataStore, run_id: str) -> bool:
    try:
        metadata.status(run_id)
    except NotFoundError:
        return False
    return True
