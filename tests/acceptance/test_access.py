"""Tokens, workspaces and the audit log as an admin types it."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import pytest
from command_line import CommandLine

from taskmgr_core.accounts import tokens


def in_workspace(taskmgr: CommandLine, name: str) -> CommandLine:
    """A terminal where a workspace is set by its variable."""
    return attrs.evolve(taskmgr, settings={**taskmgr.settings, "TASKMGR_WORKSPACE": name})


def test_token_is_shown_once_and_revoked(taskmgr: CommandLine) -> None:
    """It alone is printed; lists and the audit log have its id, and nothing of the secret."""
    made = taskmgr("tokens", "new", "ada", "--role", "operator", "--only", "run", "--days", "2")
    secret = made.out.strip()
    assert tokens.is_whole(secret)
    (listed,) = (e for e in taskmgr.json("tokens", "list")["tokens"] if e["name"] == "ada")
    assert listed["id"] in made.err
    assert (listed["role"], listed["permissions"]) == ("operator", ["run"])
    ends, begins = (datetime.fromisoformat(listed[f"{each}_at"]) for each in ("expires", "created"))
    assert (listed["state"], ends - begins) == ("valid", timedelta(days=2))
    # By the token itself, where somebody has found it somewhere.
    assert listed["id"] in taskmgr("tokens", "revoke", secret).out
    assert "revoked" in taskmgr("tokens", "list").out
    lines = taskmgr.json("audit", "list")["lines"]
    assert [each["action"] for each in lines[:2]] == ["token.revoke", "token.new"]
    shown = taskmgr("tokens", "list", "--json").out + taskmgr("audit", "list", "--json").out
    assert secret[8:20] not in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tokens", "new", "a b", "--role", "viewer"], "the name 'a b' is not allowed"),
        (["tokens", "new", "a", "--role", "viewer", "--in", "absent"], "no workspace 'absent'"),
        (["tokens", "new", "a", "--role", "viewer", "--only", "run"], "no permission run"),
        (["tokens", "revoke", "absent"], "no token 'absent'"),
        (["workspaces", "new", "../up"], "small letters"),
        (["--workspace", "absent", "runs"], "no workspace 'absent'"),
        (["--workspace", "a/b", "runs"], "small letters"),
        (["audit", "verify", "--expect", "1:2"], "NUMBER:HASH"),
    ],
)
def test_bad_input_is_told_what_is_allowed(
    taskmgr: CommandLine, words: list[str], said: str
) -> None:
    """With the exit code of wrong usage."""
    assert said in taskmgr(*words, code=2).err


@pytest.mark.embedded("whether a server has it is not asked by commands that need none")
def test_command_makes_nothing_for_a_workspace_that_is_not_there(empty: CommandLine) -> None:
    """Not even those that need no store, such as the one that makes a key."""
    for words in (["keys", "new"], ["health"], ["worker", "start"]):
        assert "no workspace 'absent'" in empty("--workspace", "absent", *words, code=2).err
    assert not (empty.home / "workspaces").exists()


def test_workspace_has_tasks_runs_and_files_of_its_own(
    taskmgr: CommandLine, published: CommandLine
) -> None:
    """What is published and run in one is not there in the other; it is removed as a whole."""
    taskmgr("workspaces", "new", "red")
    red = in_workspace(taskmgr, "red")
    names = ["red", "default"]
    assert {each["name"] for each in taskmgr.json("workspaces", "list")["workspaces"]} >= set(names)
    assert red.json("list")["tasks"] == []
    red.at(published.folder)("publish", "talk")
    run = red.json("run", "words", "text=a b")["run_id"]
    assert red.status(run) == "succeeded"
    assert run in taskmgr("--workspace", "red", "runs", "--json").out
    assert run not in taskmgr("runs", "--json").out
    assert "no run" in taskmgr("show", run, code=2).err
    taskmgr("tokens", "new", "bob", "--role", "viewer", "--in", "red")
    taskmgr("workspaces", "remove", "red", code=130)
    assert red.status(run) == "succeeded"
    assert taskmgr.json("workspaces", "remove", "red", "--yes")["tokens_revoked"] == 1
    assert "no workspace 'red'" in red("runs", code=2).err
    assert not (taskmgr.home / "workspaces" / "red").exists()


@pytest.mark.embedded("the file is changed as somebody with the rights to it could")
def test_changed_audit_log_is_noticed(empty: CommandLine) -> None:
    """Verifying fails, and says which line it is; before, it prints what is to be noted."""
    for name in ("ada", "bob", "eve"):
        empty("tokens", "new", name, "--role", "viewer")
    end = re.search(r"end (\S+)", empty("audit", "verify").out)
    assert end is not None
    assert "is as it was written" in empty("audit", "verify", "--expect", end[1]).out
    path: Path = empty.home / "metadata.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE audit SET document = replace(document, 'bob', 'bib')")
    assert "line 2 was changed" in empty("audit", "verify", "--expect", end[1], code=1).out
    assert empty.json("audit", "verify", code=1)["faults"] == ["line 2 was changed"]
    assert empty("audit", "forget", "--days", "0").out.startswith("2 lines")
    assert empty.json("audit", "verify")["forgotten"] == 2
