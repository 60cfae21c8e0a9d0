"""Submitting once, however often the request is sent: the key that a client gives it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

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


class Submit(Protocol):
    """Submits a run under an id; gives the id."""

    def __call__(self, *, run_id: str | None = None) -> str:
        """Submit."""


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
    """Submit a run, unless it was submitted with that key.

    The id of the run is recorded with the key before the run is: whoever comes again after a
    crash in between records the run under that id, and of two at once one finds the other's.

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
    wanted = Answered(key.name, key.fingerprint, new_run_id(), clock())
    found = metadata.requests.begin(wanted, KEPT_SECONDS)
    if found.fingerprint != key.fingerprint:
        raise RequestError(
            "key-reused",
            "this Idempotency-Key was used for another request within the last day; make a new "
            "key for each run",
        )
    if found.run != wanted.run and _is_recorded(metadata, found.run):
        return found.run, True
    try:
        return submit(run_id=found.run), False
    except TaskmgrError:
        if _is_recorded(metadata, found.run):  # by somebody who sent the same at the same time
            return found.run, True
        metadata.requests.forget(key.name)
        raise


def _is_recorded(metadata: MetadataStore, run_id: str) -> bool:
    try:
        metadata.status(run_id)
    except NotFoundError:
        return False
    return True
