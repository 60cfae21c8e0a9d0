"""Tokens, workspaces and the audit log."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from taskmgr_core import documents
from taskmgr_core.specs.accounts import AuditEntry, AuditLine, AuditMark, Token, Workspace
from taskmgr_core.stores.accounts import chained, token_from, workspace_from
from taskmgr_core.stores.records import intact
from taskmgr_core.stores.sqlite.database import Database

_BEGIN, _END = "begin", "end"
_MARK = (
    "INSERT INTO audit_marks (name, number, hash) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET number = excluded.number, hash = excluded.hash"
)


@attrs.frozen
class SqliteAccounts:
    """Implements ``AccountStore``; what each method promises stands there.

    Attributes:
        database: where they are.
    """

    database: Database

    def add_token(self, token: Token) -> None:
        """Record a new token."""
        text = documents.dumps(attrs.evolve(token, last_used_at=None))
        self._durable(
            "INSERT INTO tokens (id, hash, workspace, document) VALUES (?, ?, ?, ?)",
            (token.id, token.hash, token.workspace, text),
        )

    def token_by_hash(self, hash_: str) -> Token | None:
        """The token whose secret has a hash."""
        with self.database.glancing() as connection:
            row = connection.execute("SELECT * FROM tokens WHERE hash = ?", (hash_,)).fetchone()
        return None if row is None else _token(row)

    def tokens(self, workspace: str | None = None) -> list[Token]:
        """The tokens of a workspace, or all."""
        # Two statements: each finds its rows by its own index.
        where, values = ("", ()) if workspace is None else (" WHERE workspace = ?", (workspace,))
        with self.database.reading() as connection:
            rows = connection.execute(f"SELECT * FROM tokens{where}", values).fetchall()  # noqa: S608
        return sorted(intact(rows, _token), key=lambda each: (-each.created_at, each.id))

    def revoke_token(self, token_id: str, now: float) -> Token | None:
        """Record that a token opens nothing from now on."""

        def revoke(connection: sqlite3.Connection) -> Token | None:
            row = connection.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
            return None if row is None else _revoked(connection, _token(row), now)

        return self.database.durable(revoke)

    def revoke_tokens_of(self, workspace: str, now: float) -> int:
        """Record that the tokens of a workspace open nothing from now on."""

        def revoke(connection: sqlite3.Connection) -> int:
            rows = connection.execute("SELECT * FROM tokens WHERE workspace = ?", (workspace,))
            open_ones = [each for each in map(_token, rows.fetchall()) if each.revoked_at is None]
            for each in open_ones:
                _revoked(connection, each, now)
            return len(open_ones)

        return self.database.durable(revoke)

    def used_token(self, token_id: str, now: float) -> None:
        """Record when a token was used."""
        self.database.quick(
            lambda connection: connection.execute(
                "UPDATE tokens SET last_used_at = ? WHERE id = ?", (now, token_id)
            )
        )

    def add_workspace(self, workspace: Workspace) -> bool:
        """Record a new workspace."""
        return self._durable(
            "INSERT INTO workspaces (name, document) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
            (workspace.name, documents.dumps(workspace)),
        )

    def workspace(self, name: str) -> Workspace | None:
        """A workspace."""
        with self.database.glancing() as connection:
            row = connection.execute("SELECT * FROM workspaces WHERE name = ?", (name,)).fetchone()
        return None if row is None else _workspace(row)

    def workspaces(self) -> list[Workspace]:
        """Every workspace but the default one."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT * FROM workspaces ORDER BY name").fetchall()
        return intact(rows, _workspace)

    def removing_workspace(self, name: str) -> bool:
        """Record that a workspace is being removed."""
        found = self.workspace(name)
        return found is not None and self._durable(
            "UPDATE workspaces SET document = ? WHERE name = ?",
            (documents.dumps(attrs.evolve(found, removing=True)), name),
        )

    def remove_workspace(self, name: str) -> None:
        """Forget a workspace."""
        self._durable("DELETE FROM workspaces WHERE name = ?", (name,))

    def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries at the end of the log."""

        def append(connection: sqlite3.Connection) -> None:
            lines = chained(_mark(connection, _END), entries)
            connection.executemany(
                "INSERT INTO audit (number, at, workspace, document, previous, hash)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(e.number, e.at, e.workspace, e.text, e.previous, e.hash) for e in lines],
            )
            if lines:
                connection.execute(_MARK, (_END, lines[-1].number, lines[-1].hash))

        self.database.durable(append)

    def audit_page(
        self, before: int | None, limit: int, workspace: str | None = None
    ) -> list[AuditLine]:
        """Lines of the log, the newest first."""
        where, values = ["number < ?"], [2**62 if before is None else before]
        texts = []
        if workspace is not None:
            where.insert(0, "workspace = ?")
            texts.append(workspace)
        with self.database.reading() as connection:
            rows = connection.execute(
                f"SELECT * FROM audit WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?",  # noqa: S608
                (*texts, *values, limit),
            ).fetchall()
        return [_line(row) for row in rows]

    def audit_after(self, number: int, limit: int) -> list[AuditLine]:
        """Lines of the log with greater numbers."""
        with self.database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
            ).fetchall()
        return [_line(row) for row in rows]

    def audit_marks(self) -> tuple[AuditMark, AuditMark]:
        """What went before the first line of the log, and its end."""
        with self.database.reading() as connection:
            return _mark(connection, _BEGIN), _mark(connection, _END)

    def forget_audit(self, before: float) -> int:
        """Remove the lines at the begin of the log that are older than a moment."""

        def forget(connection: sqlite3.Connection) -> int:
            end = _mark(connection, _END)
            # Up to the first that stays, whatever clocks said: the log has no gaps.
            row = connection.execute(
                "SELECT number FROM audit WHERE at >= ? ORDER BY number LIMIT 1", (before,)
            ).fetchone()
            first = min(row["number"] if row else end.number, end.number)
            last = connection.execute(
                "SELECT number, hash FROM audit WHERE number < ? ORDER BY number DESC LIMIT 1",
                (first,),
            ).fetchone()
            if last is None:
                return 0
            connection.execute(_MARK, (_BEGIN, last["number"], last["hash"]))
            return connection.execute("DELETE FROM audit WHERE number < ?", (first,)).rowcount

        return self.database.durable(forget)

    def _durable(self, statement: str, values: tuple[object, ...]) -> bool:
        return self.database.durable(
            lambda connection: connection.execute(statement, values).rowcount == 1
        )


def _token(row: sqlite3.Row) -> Token:
    found = token_from(row["id"], row["document"])
    return attrs.evolve(found, last_used_at=row["last_used_at"])


def _workspace(row: sqlite3.Row) -> Workspace:
    return workspace_from(row["name"], row["document"])


def _revoked(connection: sqlite3.Connection, token: Token, now: float) -> Token:
    if token.revoked_at is None:
        token = attrs.evolve(token, revoked_at=now)
        text = documents.dumps(attrs.evolve(token, last_used_at=None))
        connection.execute("UPDATE tokens SET document = ? WHERE id = ?", (text, token.id))
    return token


def _line(row: sqlite3.Row) -> AuditLine:
    return AuditLine(
        row["number"], row["document"], row["previous"], row["hash"], row["at"], row["workspace"]
    )


def _mark(connection: sqlite3.Connection, name: str) -> AuditMark:
    row = connection.execute(
        "SELECT number, hash FROM audit_marks WHERE name = ?", (name,)
    ).fetchone()
    return AuditMark() if row is None else AuditMark(row["number"], row["hash"])
