"""What was published with the first released SDK runs on today's worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from taskmgr_core.client import Client
from taskmgr_core.documents import digest_of, structure
from taskmgr_core.sdk_wheel import build_sdk_wheel
from taskmgr_core.specs import RunDetail, TaskVersion

FIRST = Path(__file__).parents[1] / "projects" / "first_sdk"
SDK = "taskmgr_plugins-0.1.0-py3-none-any.whl"

Run = Callable[..., RunDetail]


@pytest.fixture
def versions(client: Client) -> tuple[TaskVersion, ...]:
    """The versions as the first taskmgr recorded them, with the files that it stored."""
    documents = json.loads((FIRST / "versions.json").read_text())
    read = structure(documents, tuple[TaskVersion, ...], "the first versions")
    for file in (read[0].release.wheel, read[0].release.lock, read[0].release.sdk):
        client.artifacts.put_file(FIRST / file.name, file.name)
    client.metadata.add_versions(read)
    return read


def test_wheels_are_those_that_were_recorded(tmp_path: Path) -> None:
    """Neither wheel was built anew, and the SDK in the fixture is another than today's."""
    (release,) = {
        (each["release"]["sdk"]["digest"], each["release"]["wheel"]["digest"])
        for each in json.loads((FIRST / "versions.json").read_text())
    }
    wheel = "taskmgr_first-1.0.0-py3-none-any.whl"
    assert release == tuple(digest_of((FIRST / name).read_bytes()) for name in (SDK, wheel))
    assert release[0] != digest_of(build_sdk_wheel(tmp_path).read_bytes())


def test_release_with_the_first_sdk_runs(
    versions: tuple[TaskVersion, ...], client: Client, run: Run
) -> None:
    """Values, records, files, models, async and logs go through the old SDK in its virtualenv."""
    cut = run("cut", text="to be or not", most=2)
    assert cut.result is not None
    assert [each["text"] for each in cut.result["words"]] == ["to", "be"]
    assert [line.text for line in client.logs(cut.run.id)] == ["cutting 12 letters"]
    kept = run("keep", words=cut.result["words"])
    assert kept.result is not None
    digest = kept.result["result"]["$artifact"]
    assert client.artifacts.read(digest) == b"to be"
    assert run("weigh", file=digest).result == {"result": {"weight": 2.5}}
    assert client.metadata.version("cut").release.sdk == versions[0].release.sdk


def test_first_sdk_refuses_as_it_did(versions: tuple[TaskVersion, ...], run: Run) -> None:
    """What a task says of its input reaches the user from the old SDK, and is not retried."""
    failed = run("cut", text="")
    assert failed.run.failure is not None
    assert failed.run.failure.code == "invalid-input"
    assert failed.run.failure.message.endswith(": an empty text has no words")
    assert failed.steps[0].attempt == 1
