"""Task versions and pipelines: one document for each release, so that it is there as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from taskmgr_core import documents
from taskmgr_core.errors import ConflictError, DamagedRecordError, NotFoundError
from taskmgr_core.orchestrator.routing import rank
from taskmgr_core.specs import PipelineSpec, Route, TaskVersion
from taskmgr_core.stores import releases
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.records import PUBLISH_AGAIN, ROUTE_AGAIN, intact, remembered


@attrs.frozen
class Catalog:
    """What is published.

    Attributes:
        database: where it is.
    """

    database: Database

    def add_versions(self, versions: Sequence[TaskVersion]) -> bool:
        """See ``MetadataStore.add_versions``."""
        self._take_names(versions)
        wanted = _by_release(versions)
        known = {key: self._known(key, of_release) for key, of_release in wanted.items()}
        added = [self._add(key, of_release, known[key]) for key, of_release in wanted.items()]
        return any(added)

    def version(self, task: str, wanted: str | None, share: float | None) -> TaskVersion:
        """See ``MetadataStore.version``."""
        if wanted is not None:
            exact = self.database.durable.releases.find_one({"tasks": task, "version": wanted})
            if exact is not None:
                return _version_from(exact, task)
        known = self._versions_of(task)
        route = Route(task) if wanted is not None else self.route(task)
        return self._read(known[releases.wanted(known, route, wanted, share)], task)

    def all_versions(self) -> list[TaskVersion]:
        """See ``MetadataStore.all_versions``."""
        pairs = (
            (document, task)
            for document in self.database.durable.releases.find({})
            for task in document["tasks"]
        )
        return intact(pairs, lambda each: _version_from(*each))

    def versions(self, task: str) -> list[TaskVersion]:
        """See ``MetadataStore.versions``."""
        known = self._versions_of(task)
        ordered = sorted(known, key=rank, reverse=True)
        return intact(ordered, lambda version: self._read(known[version], task))

    def latest_versions(self) -> list[TaskVersion]:
        """See ``MetadataStore.latest_versions``."""
        published: dict[str, dict[str, str]] = {}
        for each in self.database.durable.releases.find({}, {"tasks": 1, "version": 1}):
            for task in each["tasks"]:
                published.setdefault(task, {})[each["version"]] = each["_id"]
        routes = intact(self.database.durable.routes.find({}), _route_from)
        routed = {each.task: each for each in routes}
        keys = {
            task: known[releases.current(known, routed.get(task, Route(task)))]
            for task, known in published.items()
        }
        wanted = {"_id": {"$in": sorted(set(keys.values()))}}
        found = {each["_id"]: each for each in self.database.durable.releases.find(wanted)}
        return intact(sorted(keys), lambda task: _version_from(found[keys[task]], task))

    def queues(self) -> list[str]:
        """See ``MetadataStore.queues``."""
        return sorted(self.database.durable.releases.distinct("queues"))

    def route(self, task: str) -> Route:
        """See ``MetadataStore.route``."""
        found = self.database.durable.routes.find_one({"_id": task})
        return Route(task) if found is None else _route_from(found)

    def put_route(self, route: Route) -> bool:
        """See ``MetadataStore.put_route``."""
        before, after = route.revision, max(route.revision, 0) + 1
        document = documents.dumps(attrs.evolve(route, revision=after))
        fields = {"revision": after, "document": document}
        routes = self.database.durable.routes
        if before:
            wanted = {"_id": route.task} | ({"revision": before} if before > 0 else {})
            done = routes.update_one(wanted, {"$set": fields}, upsert=before < 0)
            return done.matched_count == 1 or before < 0
        try:
            routes.insert_one({"_id": route.task, **fields})
        except DuplicateKeyError:
            return False
        return True

    def distributions(self) -> list[str]:
        """See ``MetadataStore.distributions``."""
        # Their keys begin with it, and come from the index alone.
        keys = self.database.durable.releases.find({}, {"_id": 1}).sort("_id", 1)
        return sorted({str(each["_id"]).partition(" ")[0] for each in keys})

    def versions_of(self, distribution: str | None) -> list[TaskVersion]:
        """See ``MetadataStore.versions_of``."""
        found = self.database.durable.releases.find(_keys_of(distribution)).sort("_id", 1)
        pairs = ((each, task) for each in found for task in each["tasks"])
        return intact(pairs, lambda pair: _version_from(*pair))

    def put_pipeline(self, pipeline: PipelineSpec) -> bool:
        """See ``MetadataStore.put_pipeline``."""
        document = documents.dumps(pipeline)
        before = self.database.durable.pipelines.find_one_and_update(
            {"_id": pipeline.pipeline},
            {"$set": {"document": document}},
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        return before is None or before["document"] != document

    def pipeline(self, name: str) -> PipelineSpec:
        """See ``MetadataStore.pipeline``."""
        found = self.database.durable.pipelines.find_one({"_id": name})
        if found is None:
            known = [each["_id"] for each in self.database.durable.pipelines.find({}, {"_id": 1})]
            raise NotFoundError.named("pipeline", name, known)
        return _pipeline_from(found)

    def pipelines(self) -> list[PipelineSpec]:
        """See ``MetadataStore.pipelines``."""
        return intact(self.database.durable.pipelines.find({}).sort("_id", 1), _pipeline_from)

    def damaged(self) -> Iterator[DamagedRecordError]:
        """What cannot be read of the catalogue, one document in memory at a time."""
        for document in self.database.durable.releases.find({}):
            for task in document["tasks"]:
                try:
                    _version_from(document, task)
                except DamagedRecordError as error:
                    yield error
        for document in self.database.durable.pipelines.find({}):
            try:
                _pipeline_from(document)
            except DamagedRecordError as error:
                yield error
        for document in self.database.durable.routes.find({}):
            try:
                _route_from(document)
            except DamagedRecordError as error:
                yield error

    def _versions_of(self, task: str) -> dict[str, str]:
        """The versions of a task, each with the key of its release."""
        found = self.database.durable.releases.find({"tasks": task}, {"version": 1})
        known = {each["version"]: each["_id"] for each in found}
        if not known:
            names = self.database.durable.releases.distinct("tasks")
            raise NotFoundError.named("task", task, names)
        return known

    def _read(self, key: str, task: str) -> TaskVersion:
        document = self.database.durable.releases.find_one({"_id": key})
        if document is None:
            raise NotFoundError(f"the release {key} was removed just now")
        return _version_from(document, task)

    def _take_names(self, versions: Sequence[TaskVersion]) -> None:
        """A task's name belongs to the distribution that published it first."""
        for each in versions:
            owner = self.database.durable.task_names.find_one_and_update(
                {"_id": each.name},
                {"$setOnInsert": {"distribution": each.release.distribution}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            if owner and owner["distribution"] != each.release.distribution:
                raise ConflictError(
                    f"the task {each.name!r} belongs to the distribution "
                    f"{owner['distribution']!r}, not to {each.release.distribution!r}; "
                    "give the task another name"
                )

    def _known(self, key: str, versions: Sequence[TaskVersion]) -> Document | None:
        """The release as it is recorded; another content than that is refused."""
        known = self.database.durable.releases.find_one({"_id": key})
        contents = {releases.content(each) for each in versions}
        if known is not None:
            contents.add(known["content"])
        if len(contents) > 1:
            raise ConflictError(
                f"{key} is published with other content; "
                "a published version never changes: raise the version in pyproject.toml"
            )
        return known

    def _add(self, key: str, versions: Sequence[TaskVersion], known: Document | None) -> bool:
        if known is not None:
            return self._renew(key, versions, known)
        document: Document = {
            "_id": key,
            "distribution": versions[0].release.distribution,
            "version": versions[0].version,
            "content": releases.content(versions[0]),
            "tasks": [each.name for each in versions],
            "queues": sorted({each.task.queue for each in versions}),
            "documents": {each.name: documents.dumps(each) for each in versions},
        }
        try:
            self.database.durable.releases.insert_one(document)
        except DuplicateKeyError:  # somebody else was faster
            return self._add(key, versions, self._known(key, versions))
        return True

    def _renew(self, key: str, versions: Sequence[TaskVersion], known: Document) -> bool:
        """Record what is new of a release that is there; whether anything is."""
        new: dict[str, str] = {}
        for each in versions:
            there = [each.name] if each.name in known["documents"] else []
            readable = intact(there, lambda task: _version_from(known, task))
            renewed = releases.renewed(next(iter(readable), None), each)
            if renewed is not None:
                new[each.name] = documents.dumps(renewed)
        if new:
            self.database.durable.releases.update_one(
                {"_id": key},
                {
                    "$addToSet": {
                        "tasks": {"$each": sorted(new)},
                        "queues": {"$each": sorted({each.task.queue for each in versions})},
                    },
                    "$set": {f"documents.{name}": text for name, text in new.items()},
                },
            )
        return bool(new)


def _keys_of(distribution: str | None) -> Document:
    """The releases of a distribution by their keys, which have an index already."""
    if distribution is None:
        return {}
    # "!" is what follows the blank between name and version.
    return {"_id": {"$gte": f"{distribution} ", "$lt": f"{distribution}!"}}


def _by_release(versions: Sequence[TaskVersion]) -> dict[str, list[TaskVersion]]:
    found: dict[str, list[TaskVersion]] = {}
    for each in versions:
        found.setdefault(f"{each.release.distribution} {each.version}", []).append(each)
    return found


def _version_from(document: Document, task: str) -> TaskVersion:
    what = f"the stored version {document['version']} of task {task!r}"
    return remembered(document["documents"][task], TaskVersion, what, PUBLISH_AGAIN)


def _pipeline_from(document: Document) -> PipelineSpec:
    what = f"the stored pipeline {document['_id']!r}"
    return remembered(document["document"], PipelineSpec, what, PUBLISH_AGAIN)


def _route_from(document: Document) -> Route:
    what = f"what is recorded of the versions of task {document['_id']!r}"
    return remembered(document["document"], Route, what, ROUTE_AGAIN)
