"""Signed publications as authors and operators meet them: keys, policies, and a store that lies."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from command_line import CommandLine
from pymongo import MongoClient

from taskmgr_core.settings import Settings, load
from taskmgr_core.specs import Release, TaskVersion
from taskmgr_core.stores.s3.bucket import Bucket
from taskmgr_core.stores.s3.location import S3Location
from taskmgr_core.wiring import metadata_of

QUESTION = "text=Why is that so?"


def with_keys(terminal: CommandLine, folder: Path, policy: str = "require") -> CommandLine:
    """The terminal of somebody on the same platform with keys and a policy of their own."""
    own = {"TASKMGR_KEYS_FOLDER": str(folder), "TASKMGR_SIGNATURES": policy}
    return attrs.evolve(terminal, settings={**terminal.settings, **own})


@pytest.fixture(scope="module")
def author(
    new_platform: Callable[[Path, Path], CommandLine], tmp_path_factory: pytest.TempPathFactory
) -> CommandLine:
    """An author with a key, who has published ``topic``, a task with a model; ``mute`` unsigned."""
    folder = tmp_path_factory.mktemp("author")
    terminal = with_keys(new_platform(folder / "home", folder), folder / "keys")
    for name, template in (("topic", "ml"), ("mute", "simple")):
        terminal("create", name, "--template", template, "--author", "Ada Lovelace")
    written = folder / "topic" / "src" / "taskmgr_topic" / "tasks.py"
    # A refusal has to be told at once, however often the task may be tried.
    written.write_text(written.read_text().replace("timeout = 30", "timeout = 30\n    retries = 2"))
    terminal("keys", "new", "ada")
    terminal("publish", "topic")
    with_keys(terminal, folder / "no-keys", "warn")("publish", "mute")
    return terminal


@pytest.fixture
def operator(author: CommandLine, tmp_path: Path) -> CommandLine:
    """An operator who requires signatures and trusts nobody yet, on a machine without virtualenvs.

    The home is shared with the author, as the folder of a team that has one machine.
    """
    fresh(author.home)
    return with_keys(author, tmp_path / "keys").at(tmp_path)


def line_of(author: CommandLine) -> str:
    """The author's public key."""
    (key,) = author.json("keys", "list")["keys"]
    return str(key["public_key"])


def fresh(home: Path) -> None:
    """Forget what was made from the store: virtualenvs and links to the weights."""
    for name in ("environments", "models"):
        shutil.rmtree(home / name, ignore_errors=True)


def built(home: Path) -> list[Path]:
    """The virtualenvs that are there."""
    return list((home / "environments").glob("[!.]*"))


def refused(terminal: CommandLine, task: str, text: str) -> str:
    """Run a task that is refused under the code ``signature`` at its only attempt; why."""
    run = terminal.json("run", task, text, code=1)
    assert run["error"]["code"] == "signature"
    (step,) = terminal.json("show", run["run_id"])["steps"]
    assert (step["attempts"], step["earlier_errors"]) == (1, [])
    return str(run["error"]["message"])


# keys


def test_keys_are_made_listed_trusted_and_revoked(empty: CommandLine, tmp_path: Path) -> None:
    """The line that one machine prints is trusted on another, listed there, and revoked."""
    author, worker = with_keys(empty, tmp_path / "a"), with_keys(empty, tmp_path / "b")
    assert "`taskmgr keys new` makes one" in author("keys", "list").out
    printed = author("keys", "new", "ada").out.splitlines()
    line = printed[-1].strip()
    made = author.json("keys", "list")["keys"]
    assert [(each["name"], each["state"], each["signs"]) for each in made] == [
        ("ada", "trusted", True)
    ]
    assert made[0]["public_key"] == line
    assert f"  {line}" in author("keys", "list").out.splitlines()
    # With and without quotes.
    assert made[0]["id"] in worker("keys", "trust", *line.split()).out
    assert worker.json("keys", "trust", line)["signs"] is False
    assert worker.json("keys", "revoke", "ada", "--reason", "lost")["state"] == "revoked"
    assert "lost" in worker("keys", "list").out
    assert "--again" in worker("keys", "trust", line, code=2).err
    assert worker.json("keys", "trust", line, "--again")["state"] == "trusted"
    assert author.json("keys", "trust", tmp_path / "a" / f"{made[0]['id']}.pem", code=2) == {
        "error": {
            "code": "key",
            "message": "that is a private key, which only signs where it was made and is given to "
            "nobody; give the public one: the line that `taskmgr keys new` and `taskmgr keys "
            "list` print",
            "problems": [],
        }
    }
    assert "no key 'eve'" in author("keys", "revoke", "eve", code=2).err


def test_publishing_without_a_required_key_is_refused(
    author: CommandLine, operator: CommandLine
) -> None:
    """Under ``require`` nobody publishes unsigned, and it is said how to make a key."""
    told = operator("publish", author.folder / "topic", code=2).err
    assert "`taskmgr keys new` makes one" in told


# workers


def test_signed_task_runs_where_its_key_is_trusted(
    author: CommandLine, operator: CommandLine
) -> None:
    """Under ``require`` a version with the signature of a trusted key runs as any other."""
    operator("keys", "trust", line_of(author))
    assert operator.json("run", "topic", QUESTION)["result"]["label"] == "question"


def test_nothing_of_an_unknown_or_revoked_key_is_installed(
    author: CommandLine, operator: CommandLine
) -> None:
    """Until its key is trusted, and once it is revoked, a version fails; no virtualenv is built."""
    (key,) = author.json("keys", "list")["keys"]
    told = refused(operator, "topic", QUESTION)
    assert f"topic 1.0.0: it is signed with the key '{key['id']}', which is not trusted" in told
    assert "not trusted here" in operator("test", "topic", QUESTION, code=3).err
    operator("keys", "trust", line_of(author))
    operator("keys", "revoke", "ada", "--reason", "laptop stolen")
    told = refused(operator, "topic", QUESTION)
    assert f"topic 1.0.0: it is signed with the key {key['id']} (ada), which was revoked" in told
    assert "laptop stolen; publish it again with another key" in told
    assert built(operator.home) == []


def test_unsigned_task_is_refused_warned_of_or_run(operator: CommandLine) -> None:
    """What nobody signed fails under ``require``, is told of under ``warn``, else just runs."""
    told = refused(operator, "mute", "text=hi")
    assert told.startswith("mute 1.0.0: it is not signed; publish it again with a key")
    assert built(operator.home) == []
    for policy, warned in (("warn", True), ("off", False)):
        done = with_keys(operator, operator.folder, policy)("run", "mute", "text=hi")
        assert ("mute 1.0.0: it is not signed" in done.err) is warned


def test_info_and_doctor_tell_who_signed(author: CommandLine, operator: CommandLine) -> None:
    """Both say what a signature is worth on their machine, and doctor what would not run there."""
    (key,) = author.json("keys", "list")["keys"]
    assert f"by ada with the key {key['id']}, which is trusted here" in author("info", "topic").out
    assert author.json("info", "topic")["signature"] == {
        "state": "trusted",
        "key": key["id"],
        "name": "ada",
        "problem": None,
    }
    assert operator.json("info", "topic")["signature"]["state"] == "unknown"
    assert author.json("info", "mute")["signature"]["state"] == "unsigned"
    for policy, state, code in (("require", "fault", 1), ("warn", "warn", 0)):
        terminal = with_keys(author, author.folder / "keys", policy)
        with terminal.worker():  # on servers it is a fault that there is none
            findings = terminal.json("doctor", code=code)["findings"]
        (found,) = [each for each in findings if each["check"] == "signatures"]
        assert (found["state"], found["message"]) == (state, "mute 1.0.0: it is not signed")


# a store that lies


@attrs.frozen
class Store:
    """What somebody can do who can write to the stores.

    Attributes:
        settings: where they are.
    """

    settings: Settings

    def flip(self, digest: str) -> None:
        """Change one bit in the middle of an object; again, and it is as it was."""
        digits = digest.removeprefix("sha256:")
        path = self.settings.home / "artifacts" / digits[:2] / digits
        content = bytearray(self._read(digits, path))
        content[len(content) // 2] ^= 1
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        if self.settings.artifacts_url:
            self._bucket.upload(f"sha256/{digits}", path, replace=True)
            path.unlink()  # a copy of this machine, which is checked as well

    def record(self) -> str:
        """The recorded document of ``topic``."""
        if self.settings.metadata_url:
            with self._releases() as releases:
                return str(releases.find_one({"tasks": "topic"})["documents"]["topic"])
        with sqlite3.connect(self.settings.database) as connection:
            (text,) = connection.execute(
                "SELECT document FROM task_versions WHERE task = 'topic'"
            ).fetchone()
        connection.close()
        return str(text)

    def overwrite(self, text: str) -> None:
        """Put another document there."""
        if self.settings.metadata_url:
            with self._releases() as releases:
                releases.update_one({"tasks": "topic"}, {"$set": {"documents.topic": text}})
            return
        with sqlite3.connect(self.settings.database) as connection:
            connection.execute("UPDATE task_versions SET document = ? WHERE task = 'topic'", [text])
        connection.close()

    def _read(self, digits: str, path: Path) -> bytes:
        if not self.settings.artifacts_url:
            return path.read_bytes()
        found = self._bucket.download(f"sha256/{digits}", lambda source: source.read())
        assert found is not None
        return found

    @property
    def _bucket(self) -> Bucket:
        return Bucket(S3Location.from_url(self.settings.artifacts_url), 5.0)

    @contextlib.contextmanager
    def _releases(self) -> Iterator[Any]:
        with MongoClient[dict[str, Any]](self.settings.metadata_url) as client:
            yield client.get_default_database()["releases"]


@pytest.fixture
def store(author: CommandLine) -> Store:
    """The stores of the platform, to be written behind taskmgr's back."""
    return Store(load(author.settings, author.folder, author.home))


@pytest.fixture
def published(store: Store) -> TaskVersion:
    """What is recorded of ``topic``."""
    metadata = metadata_of(store.settings)
    version = metadata.version("topic")
    metadata.close()
    return version


@pytest.fixture
def trusting(author: CommandLine, operator: CommandLine) -> CommandLine:
    """An operator who trusts the author, and requires signatures."""
    operator("keys", "trust", line_of(author))
    return operator


@pytest.mark.parametrize("part", ["wheel", "lock", "sdk", "model"])
def test_flipped_bit_of_an_object_is_refused_by_name(
    trusting: CommandLine, store: Store, published: TaskVersion, part: str
) -> None:
    """Of each object one bit that is another is refused with its name; put back, all is well."""
    release: Release = published.release
    (model,) = release.models
    file = {"wheel": release.wheel, "lock": release.lock, "sdk": release.sdk, "model": model}[part]
    store.flip(file.digest)
    run = trusting.json("run", "topic", QUESTION, code=1)
    assert run["error"]["code"] == "environment"
    assert f" {file.name} " in run["error"]["message"]
    assert f"the artifact {file.digest} is damaged" in run["error"]["message"]
    store.flip(file.digest)
    fresh(trusting.home)
    assert trusting.json("run", "topic", QUESTION)["status"] == "succeeded"


def test_flipped_bit_of_the_record_is_refused_by_name(
    trusting: CommandLine, store: Store, published: TaskVersion
) -> None:
    """In the record of a version another digest, name or signature is refused; nothing is built."""
    release, text, signature = published.release, store.record(), published.signature
    assert signature is not None
    refusals = []
    for said in (
        release.wheel.digest,
        release.lock.digest,
        release.sdk.name,
        release.published_at,
        published.task.models[0].licence,
        signature.value,
    ):
        place = text.index(f'"{said}"') + 10 if len(said) > 10 else text.index(f'"{said}"') + 1
        flipped = chr(ord(text[place]) ^ 1)
        store.overwrite(text[:place] + flipped + text[place + 1 :])
        refusals.append(refused(trusting, "topic", QUESTION))
    store.overwrite(text)
    assert built(trusting.home) == []
    for each in refusals:
        assert each.startswith("topic 1.0.0: what is recorded of it is not what the key")
        assert f"{signature.key} (ada) has signed" in each
    assert trusting.json("run", "topic", QUESTION)["status"] == "succeeded"


def test_signature_that_is_taken_away_is_missed(
    trusting: CommandLine, store: Store, published: TaskVersion
) -> None:
    """A record whose signature was removed, or is said to be another's, is refused as such."""
    text = store.record()
    assert published.signature is not None
    end = text.index(',"signature":')
    store.overwrite(text[:end] + "}")
    assert "topic 1.0.0: it is not signed" in refused(trusting, "topic", QUESTION)
    store.overwrite(text.replace(published.signature.key, "0" * 16))
    assert f"the key '{'0' * 16}', which is not trusted" in refused(trusting, "topic", QUESTION)
    store.overwrite(text)
    assert built(trusting.home) == []
