"""New runs, any number of them at once."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.errors import BulkWriteError, DocumentTooLarge, DuplicateKeyError, OperationFailure

from taskmgr_core.errors import StoreError
from taskmgr_core.specs import NewRun
from taskmgr_core.stores.mongodb import records
from taskmgr_core.stores.mongodb.database import DUPLICATE_KEY, Database
from taskmgr_core.stores.plans import Plans


def create(database: Database, plans: Plans, new: NewRun) -> None:
    """Record a run.

    Raises:
        PyMongoError: to be translated.
    """
    document = records.new_run(new, plans.of(new.run.graph))
    database.durable.runs.insert_one(document)


def create_all(database: Database, plans: Plans, runs: Sequence[NewRun]) -> list[Exception | None]:
    """See ``MetadataStore.create_runs``."""
    if len(runs) == 1:  # as everywhere else, and what is said of a failure is the same
        return [_alone(database, plans, runs[0])]
    made = [records.new_run(each, plans.of(each.run.graph)) for each in runs]
    failed: dict[int, Exception] = {}
    try:
        with database.translated():
            try:
                database.durable.runs.insert_many(made, ordered=False)
            except BulkWriteError as error:
                for each in error.details["writeErrors"]:
                    failed[each["index"]] = _translated(database, each)
                if not failed:  # written, but not on the disk of the majority
                    raise
    except StoreError as error:
        if isinstance(error.__cause__, DocumentTooLarge):  # found before anything was sent
            return [_alone(database, plans, each) for each in runs]
        return [error] * len(runs)
    return [failed.get(place) for place in range(len(runs))]


def _alone(database: Database, plans: Plans, new: NewRun) -> Exception | None:
    try:
        with database.translated():
            create(database, plans, new)
    except Exception as error:  # noqa: BLE001 - whoever asked for the run is told
        return error
    return None


def _translated(database: Database, told: dict[str, object]) -> StoreError:
    """What the server says of one document, as it is said of one alone."""
    kind = DuplicateKeyError if told["code"] == DUPLICATE_KEY else OperationFailure
    try:
        with database.translated():
            raise kind(str(told["errmsg"]), int(str(told["code"])), told)
    except StoreError as error:
        return error
    raise AssertionError("what the driver raises is translated")
