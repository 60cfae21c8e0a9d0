"""The connection to a MongoDB server, its collections and their indexes."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs
from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.write_concern import WriteConcern

from taskmgr_core.addresses import place_of, secrets_of
from taskmgr_core.errors import RecordTooLargeError, SettingsError, StoreAwayError, StoreError

Document: TypeAlias = dict[str, Any]

SELECTION_MILLISECONDS = 5_000
SOCKET_MILLISECONDS = 20_000
DEFAULT_DATABASE = "taskmgr"

DUPLICATE_KEY = 11000

_PIECE = re.compile(r"[^/:@?#]{3,}")
_AUTHENTICATION_FAILED = frozenset({13, 18})
_TOO_LARGE = frozenset({10334, 17419})

# Every query of the store is served by one of these; a test asks the planner.
INDEXES: Mapping[str, tuple[IndexModel, ...]] = {
    "releases": (
        IndexModel([("tasks", ASCENDING)], name="by_task"),
        IndexModel([("queues", ASCENDING)], name="by_queue"),
    ),
    "runs": (
        IndexModel([("short", ASCENDING)], name="by_short"),
        IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="by_status"),
        IndexModel([("status", ASCENDING), ("finished_at", ASCENDING)], name="by_end"),
        IndexModel([("name", ASCENDING), ("_id", DESCENDING)], name="by_name"),
        IndexModel(
            [("name", ASCENDING), ("status", ASCENDING), ("_id", DESCENDING)],
            name="by_name_and_status",
        ),
        IndexModel([("digests", ASCENDING), ("_id", DESCENDING)], name="by_digest"),
        IndexModel([("uses", ASCENDING), ("_id", DESCENDING)], name="by_use"),
        IndexModel([("running.worker", ASCENDING)], name="by_worker", sparse=True),
        IndexModel([("look_at", ASCENDING)], name="by_look", sparse=True),
        IndexModel([("deadline", ASCENDING)], name="by_deadline", sparse=True),
        IndexModel([("held_back", ASCENDING)], name="by_limit", sparse=True),
        IndexModel([("expires_at", ASCENDING)], name="history", expireAfterSeconds=0),
    ),
    "firings": (
        IndexModel([("schedule", ASCENDING), ("at", ASCENDING)], name="once", unique=True),
    ),
    "requests": (IndexModel([("at", ASCENDING)], name="by_time"),),
    "elements": (
        IndexModel(
            [("of", ASCENDING), ("status", ASCENDING), ("index", ASCENDING)], name="by_step"
        ),
        IndexModel([("run", ASCENDING)], name="by_run"),
        IndexModel([("worker", ASCENDING), ("status", ASCENDING)], name="by_worker"),
        IndexModel([("look_at", ASCENDING)], name="by_look", sparse=True),
        IndexModel([("owes", ASCENDING)], name="by_debt", sparse=True),
        IndexModel([("digests", ASCENDING), ("run", DESCENDING)], name="by_digest"),
        IndexModel([("held_back", ASCENDING)], name="by_limit", sparse=True),
        IndexModel([("expires_at", ASCENDING)], name="history", expireAfterSeconds=0),
    ),
    "log": (
        IndexModel([("run", ASCENDING), ("sequence", ASCENDING)], name="by_run", unique=True),
        IndexModel([("expires_at", ASCENDING)], name="history", expireAfterSeconds=0),
    ),
    "tokens": (
        IndexModel([("hash", ASCENDING)], name="by_hash", unique=True),
        IndexModel([("workspace", ASCENDING)], name="by_workspace"),
    ),
    "audit": (
        IndexModel([("workspace", ASCENDING), ("_id", DESCENDING)], name="by_workspace"),
        IndexModel([("at", ASCENDING)], name="by_time"),
    ),
    "cache": (
        IndexModel([("task", ASCENDING)], name="by_task"),
        IndexModel([("expires_at", ASCENDING)], name="history", expireAfterSeconds=0),
    ),
    "limits": (
        IndexModel([("holders.run", ASCENDING)], name="by_run", sparse=True),
        IndexModel([("seen_at", ASCENDING)], name="forget", expireAfterSeconds=7 * 86_400),
    ),
    "workers": (IndexModel([("seen_at", ASCENDING)], name="forget", expireAfterSeconds=3600),),
    "counters": (IndexModel([("seen_at", ASCENDING)], name="by_time"),),
}


@attrs.frozen
class Durable:
    """The collections whose writes are on the disk of the majority when they return."""

    releases: Collection[Document]
    task_names: Collection[Document]
    routes: Collection[Document]
    pipelines: Collection[Document]
    runs: Collection[Document]
    schedules: Collection[Document]
    firings: Collection[Document]
    leases: Collection[Document]
    elements: Collection[Document]
    requests: Collection[Document]
    tokens: Collection[Document]
    workspaces: Collection[Document]
    audit: Collection[Document]
    audit_marks: Collection[Document]
    limit_rules: Collection[Document]


class Database:
    """One database of a MongoDB server, shared by the threads of this process.

    The connection is made with the first operation. No multi-document transaction
    is used, and nothing assumes a replica set.

    Arguments:
        url: ``mongodb://user:password@host:port/database?options``.

    Raises:
        SettingsError: the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.place = place_of(url)
        try:
            self._client = _client(url)
            database = self._client.get_default_database(DEFAULT_DATABASE)
        except (InvalidURI, ConfigurationError, ValueError, UserWarning) as error:
            raise SettingsError(
                f"{self.place} is no address of a MongoDB server ({_without_secrets(error, url)}); "
                "as in mongodb://user:password@host:27017/taskmgr, the characters / : @ ? # % of "
                "user and password written as %2F %3A %40 %3F %23 %25"
            ) from None
        self.name = database.name
        synced = database.with_options(write_concern=WriteConcern(w="majority", j=True))
        self.durable = Durable(
            synced["releases"],
            synced["task_names"],
            synced["routes"],
            synced["pipelines"],
            synced["runs"],
            synced["schedules"],
            synced["firings"],
            synced["leases"],
            synced["elements"],
            synced["requests"],
            synced["tokens"],
            synced["workspaces"],
            synced["audit"],
            synced["audit_marks"],
            synced["limit_rules"],
        )
        # What a power cut undoes of these is found out again: claims, beats, log lines,
        # what is cached, who holds a place.
        self.runs: Collection[Document] = database["runs"]
        self.elements: Collection[Document] = database["elements"]
        self.workers: Collection[Document] = database["workers"]
        self.counters: Collection[Document] = database["counters"]
        self.log: Collection[Document] = database["log"]
        self.tokens: Collection[Document] = database["tokens"]
        self.cache: Collection[Document] = database["cache"]
        self.limits: Collection[Document] = database["limits"]
        self._database = database

    def initialize(self) -> None:
        """Create the indexes that are not there yet."""
        with self.translated():
            for name, indexes in INDEXES.items():
                self._database[name].create_indexes(list(indexes))

    def missing_indexes(self) -> list[str]:
        """The indexes that ``initialize`` would create, as ``runs.by_status``."""
        with self.translated():
            return [
                f"{name}.{index.document['name']}"
                for name, indexes in INDEXES.items()
                for index in indexes
                if index.document["name"] not in self._database[name].index_information()
            ]

    def version(self) -> str:
        """The server's version, asked of the server."""
        with self.translated():
            return str(self._client.server_info()["version"])

    def drop(self) -> None:
        """Remove all that is recorded, and the indexes."""
        with self.translated():
            self._client.drop_database(self.name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Our errors for those of the driver; none of them shows a password."""
        try:
            yield
        except DuplicateKeyError as error:
            raise StoreError(f"{self.place}: this is recorded already: {_key(error)}") from error
        except AutoReconnect as error:  # and what it is the base of: no server, time-outs
            raise StoreAwayError(
                f"the MongoDB server {self.place} cannot be reached ({_brief(error)}); start it, "
                "or correct TASKMGR_METADATA_URL"
            ) from error
        except DocumentTooLarge as error:
            raise self._too_large() from error
        except OperationFailure as error:
            if error.code in _TOO_LARGE:
                raise self._too_large() from error
            raise StoreError(self._refusal(error)) from error
        except PyMongoError as error:
            raise StoreError(f"{self.place}: {_brief(error)}") from error

    def _too_large(self) -> RecordTooLargeError:
        return RecordTooLargeError(
            f"{self.place} takes no document of more than 16 MB, and a run's values are in one; "
            "lower TASKMGR_INLINE_BYTES, so that more of them are stored as files"
        )

    def _refusal(self, error: OperationFailure) -> str:
        if error.code in _AUTHENTICATION_FAILED:
            return (
                f"the MongoDB server {self.place} refuses this user and password for the database "
                f"{self.name!r}; correct TASKMGR_METADATA_URL (?authSource= names the database "
                "of the account)"
            )
        return f"{self.place}: {_brief(error)}"


def _client(url: str) -> MongoClient[Document]:
    # The driver only warns of an option that it does not know: a misspelt tls=true would send
    # the password in the clear.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return MongoClient(
            url,
            appname="taskmgr",
            retryWrites=False,
            serverSelectionTimeoutMS=SELECTION_MILLISECONDS,
            socketTimeoutMS=SOCKET_MILLISECONDS,
            tz_aware=True,
        )


def _brief(error: PyMongoError) -> str:
    """The driver's first sentence; the rest describes the topology."""
    return str(error).partition(", Timeout:")[0].partition(", full error:")[0][:500]


def _key(error: DuplicateKeyError) -> str:
    return str((error.details or {}).get("keyValue", "the same key"))


def _without_secrets(error: Exception, url: str) -> str:
    """What the driver says; nothing of it when it repeats a part of user or password."""
    text = str(error)
    unsafe = url.partition("://")[2].rpartition("@")[0]
    hidden = {each for each in _PIECE.findall(unsafe) if each in text} | {
        each for each in secrets_of(url) if each in text
    }
    return "it cannot be read" if hidden else text
