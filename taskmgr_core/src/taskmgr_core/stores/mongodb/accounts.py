"""Tokens, workspaces and the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from taskmgr_core import documents
from taskmgr_core.specs.accounts import AuditEntry, AuditLine, AuditMark, Token, Workspace
from taskmgr_core.stores.accounts import chained, token_from, workspace_from
from taskmgr_core.stores.mongodb.database import Database, Document
from taskmgr_core.stores.records import intact

_BEGIN, _END = "begin", "end"
_TAKEN = 11_000


@attrs.frozen
class MongoAccounts:
    """Implements ``AccountStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def add_token(self, token: Token) -> None:
        """Record a new token."""
        # What changes later stands beside the document: each change is one field.
        document = {
            "_id": token.id,
            "hash": token.hash,
            "workspace": token.workspace,
            "revoked_at": token.revoked_at,
            "last_used_at": token.last_used_at,
            "document": documents.dumps(attrs.evolve(token, revoked_at=None, last_used_at=None)),
        }
        with self.database.translated():
            self.database.durable.tokens.insert_one(document)

    def token_by_hash(self, hash_: str) -> Token | None:
        """The token whose secret has a hash."""
        with self.database.translated():
            found = self.database.durable.tokens.find_one({"hash": hash_})
        return None if found is None else _token(found)

    def tokens(self, workspace: str | None = None) -> list[Token]:
        """The tokens of a workspace, or all."""
        wanted = {} if workspace is None else {"workspace": workspace}
        with self.database.translated():
            found = list(self.database.durable.tokens.find(wanted))
        return sorted(intact(found, _token), key=lambda each: (-each.created_at, each.id))

    def revoke_token(self, token_id: str, now: float) -> Token | None:
        """Record that a token opens nothing from now on."""
        tokens = self.database.durable.tokens
        with self.database.translated():
            found = tokens.find_one_and_update(
                {"_id": token_id, "revoked_at": None},
                {"$set": {"revoked_at": now}},
                return_document=ReturnDocument.AFTER,
            ) or tokens.find_one({"_id": token_id})
        return None if found is None else _token(found)

    def revoke_tokens_of(self, workspace: str, now: float) -> int:
        """Record that the tokens of a workspace open nothing from now on."""
        with self.database.translated():
            done = self.database.durable.tokens.update_many(
                {"workspace": workspace, "revoked_at": None}, {"$set": {"revoked_at": now}}
            )
        return done.modified_count

    def used_token(self, token_id: str, now: float) -> None:
        """Record when a token was used."""
        with self.database.translated():
            self.database.tokens.update_one({"_id": token_id}, {"$set": {"last_used_at": now}})

    def add_workspace(self, workspace: Workspace) -> bool:
        """Record a new workspace."""
        document = {
            "_id": workspace.name,
            "removing": workspace.removing,
            "document": documents.dumps(workspace),
        }
        with self.database.translated():
            try:
                self.database.durable.workspaces.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    def workspace(self, name: str) -> Workspace | None:
        """A workspace."""
        with self.database.translated():
            found = self.database.durable.workspaces.find_one({"_id": name})
        return None if found is None else _workspace(found)

    def workspaces(self) -> list[Workspace]:
        """Every workspace but the default one."""
        with self.database.translated():
            found = list(self.database.durable.workspaces.find({}).sort("_id", ASCENDING))
        return intact(found, _workspace)

    def removing_workspace(self, name: str) -> bool:
        """Record that a workspace is being removed."""
        with self.database.translated():
            done = self.database.durable.workspaces.update_one(
                {"_id": name}, {"$set": {"removing": True}}
            )
        return done.matched_count == 1

    def remove_workspace(self, name: str) -> None:
        """Forget a workspace."""
        with self.database.translated():
            self.database.durable.workspaces.delete_one({"_id": name})

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries at the end of the log; who finds the next number taken reads the end anew."""
        left = list(entries)
        while left:
            lines = chained(self._last(), left)
            with self.database.translated():
                try:
                    self.database.durable.audit.insert_many([_document(each) for each in lines])
                    recorded = len(lines)
                except BulkWriteError as error:  # all before the first that failed are recorded
                    if not _only_taken(error.details):
                        raise
                    recorded = int(error.details["nInserted"])
            if recorded:
                self._mark_end(lines[recorded - 1])
            del left[:recorded]

    def audit_page(
        self, before: int | None, limit: int, workspace: str | None = None
    ) -> list[AuditLine]:
        """Lines of the log, the newest first."""
        wanted: Document = {} if workspace is None else {"workspace": workspace}
        if before is not None:
            wanted["_id"] = {"$lt": before}
        with self.database.translated():
            found = self.database.durable.audit.find(wanted).sort("_id", DESCENDING).limit(limit)
            return [_line(each) for each in found]

    def audit_after(self, number: int, limit: int) -> list[AuditLine]:
        """Lines of the log with greater numbers."""
        with self.database.translated():
            found = self.database.durable.audit.find({"_id": {"$gt": number}})
            return [_line(each) for each in found.sort("_id", ASCENDING).limit(limit)]

    def audit_marks(self) -> tuple[AuditMark, AuditMark]:
        """What went before the first line of the log, and its end."""
        with self.database.translated():
            found = {each["_id"]: each for each in self.database.durable.audit_marks.find({})}
        return _mark(found.get(_BEGIN)), _mark(found.get(_END))

    def forget_audit(self, before: float) -> int:
        """Remove the lines at the begin of the log that are older than a moment."""
        audit = self.database.durable.audit
        with self.database.translated():
            # Up to the first that stays, whatever clocks said: the log has no gaps.
            kept = audit.find_one({"at": {"$gte": before}}, sort=[("_id", ASCENDING)])
            kept = kept or audit.find_one({}, sort=[("_id", DESCENDING)])
            before_it = {"_id": {"$lt": kept["_id"]}} if kept else {}
            last = kept and audit.find_one(before_it, sort=[("_id", DESCENDING)])
            if not last:
                return 0
            # The mark first: lines before it that a crash has left are no fault, a gap is one.
            self._put_mark(_BEGIN, _line(last))
            return audit.delete_many({"_id": {"$lte": last["_id"]}}).deleted_count

    def _last(self) -> AuditMark:
        """The end of the log as it is; the mark may be behind for a moment, or after a crash."""
        with self.database.translated():
            found = self.database.durable.audit.find_one({}, sort=[("_id", DESCENDING)])
        return self.audit_marks()[1] if found is None else AuditMark(found["_id"], found["hash"])

    def _mark_end(self, line: AuditLine) -> None:
        with self.database.translated():
            self._put_mark(_END, line)

    def _put_mark(self, name: str, line: AuditLine) -> None:
        """Move a mark on; never back, where somebody else has moved it further."""
        marks = self.database.durable.audit_marks
        wanted = {"_id": name, "number": {"$lt": line.number}}
        try:
            marks.update_one(
                wanted, {"$set": {"number": line.number, "hash": line.hash}}, upsert=True
            )
        except DuplicateKeyError:
            return  # it is further on


def _token(document: Document) -> Token:
    found = token_from(document["_id"], document["document"])
    return attrs.evolve(
        found, revoked_at=document["revoked_at"], last_used_at=document["last_used_at"]
    )


def _workspace(document: Document) -> Workspace:
    found = workspace_from(document["_id"], document["document"])
    return attrs.evolve(found, removing=document["removing"])


def _document(line: AuditLine) -> Document:
    return {
        "_id": line.number,
        "at": line.at,
        "workspace": line.workspace,
        "document": line.text,
        "previous": line.previous,
        "hash": line.hash,
    }


def _line(document: Document) -> AuditLine:
    return AuditLine(
        document["_id"],
        document["document"],
        document["previous"],
        document["hash"],
        document["at"],
        document["workspace"],
    )


def _mark(document: Document | None) -> AuditMark:
    return AuditMark() if document is None else AuditMark(document["number"], document["hash"])


def _only_taken(details: Mapping[str, Any]) -> bool:
    return all(each["code"] == _TAKEN for each in details["writeErrors"])
