"""Task versions and pipelines: one document for each release, so that it is there as a whole."""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from taskmgr_core import documents
from taskmgr_core.errors import ConflictError, NotFoundError, nearest
from taskmgr_core.specs import PipelineSpec, TaskVersion
from taskmgr_core.stores.intact import intact
from taskmgr_core.stores.mongodb.database import Database, Document


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
        documents_ = _release_documents(versions)
        known = {document["_id"]: self._known(document) for document in documents_}
        added = [self._add(document, known[document["_id"]]) for document in documents_]
        return any(added)

    def version(self, task: str, wanted: str | None) -> TaskVersion:
        """See ``MetadataStore.version``."""
        query: Document = {"tasks": task}
        if wanted is not None:
            query["version"] = wanted
        found = self.database.durable.releases.find_one(query, sort=[("published", -1)])
        if found is not None:
            return _from_document(found, task)
        known = [each.version for each in self.versions(task)]
        raise NotFoundError(
            f"task {task!r} has no version {wanted!r}; {nearest(str(wanted), known)}"
        )

    def versions(self, task: str) -> list[TaskVersion]:
        """See ``MetadataStore.versions``."""
        found = list(self.database.durable.releases.find({"tasks": task}).sort("published", -1))
        if not found:
            known = self.database.durable.releases.distinct("tasks")
            raise NotFoundError.named("task", task, known)
        return [_from_document(each, task) for each in found]

    def latest_versions(self) -> list[TaskVersion]:
        """See ``MetadataStore.latest_versions``."""
        newest: dict[str, str] = {}
        found = self.database.durable.releases.find({}, {"tasks": 1, "published": 1})
        for each in sorted(found, key=lambda document: document["published"]):
            newest |= dict.fromkeys(each["tasks"], each["_id"])
        wanted = {"_id": {"$in": sorted(set(newest.values()))}}
        releases = {each["_id"]: each for each in self.database.durable.releases.find(wanted)}
        return intact(sorted(newest), lambda task: _from_document(releases[newest[task]], task))

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

    def _known(self, document: Document) -> Document | None:
        """The release as it is recorded; another content than that is refused."""
        known = self.database.durable.releases.find_one({"_id": document["_id"]})
        if known is not None and known["content"] != document["content"]:
            raise _other_content(document)
        return known

    def _add(self, document: Document, known: Document | None) -> bool:
        releases = self.database.durable.releases
        if known is None:
            try:
                releases.insert_one(document)
            except DuplicateKeyError:  # somebody else was faster
                return self._add(document, self._known(document))
            return True
        missing = [name for name in document["tasks"] if name not in known["tasks"]]
        if missing:
            new = {f"documents.{name}": document["documents"][name] for name in missing}
            releases.update_one(
                {"_id": document["_id"]},
                {"$addToSet": {"tasks": {"$each": missing}}, "$set": new},
            )
        return bool(missing)


def _release_documents(versions: Sequence[TaskVersion]) -> list[Document]:
    """A document for each release."""
    found: dict[str, Document] = {}
    for each in versions:
        key = f"{each.release.distribution} {each.version}"
        document = found.setdefault(
            key,
            {
                "_id": key,
                "distribution": each.release.distribution,
                "version": each.version,
                "content": content_of(each),
                "published": time.time_ns(),
                "tasks": [],
                "documents": {},
            },
        )
        if document["content"] != content_of(each):
            raise _other_content(document)
        document["tasks"].append(each.name)
        document["documents"][each.name] = documents.dumps(each)
    return list(found.values())


def _other_content(document: Document) -> ConflictError:
    return ConflictError(
        f"{document['distribution']} {document['version']} is published with other content; "
        "a published version never changes: raise the version in pyproject.toml"
    )


def content_of(version: TaskVersion) -> str:
    """What makes two publishes the same: the wheel, the lock and the models."""
    release = version.release
    files = (release.wheel, release.lock, *sorted(release.models, key=lambda each: each.name))
    return " ".join(each.digest for each in files)


def _from_document(document: Document, task: str) -> TaskVersion:
    what = f"the stored version {document['version']} of task {task!r}"
    return documents.loads(document["documents"][task], TaskVersion, what)


def _pipeline_from(document: Document) -> PipelineSpec:
    what = f"the stored pipeline {document['_id']!r}"
    return documents.loads(document["document"], PipelineSpec, what)
