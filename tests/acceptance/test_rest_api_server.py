"""`taskmgr api serve` with a worker beside it: what a program of another machine does with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from command_line import CommandLine, wait_until


@attrs.frozen
class Api:
    """A server that answers, and somebody who may ask it."""

    taskmgr: CommandLine
    http: httpx.Client
    log: Path


@pytest.fixture(scope="module")
def api(shared: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server and a worker on the shared platform, with an operator's token."""
    folder = tmp_path_factory.mktemp("api")
    taskmgr = shared.at(folder)
    token = taskmgr.json("tokens", "new", "ada", "--role", "operator")["token"]
    log = folder / "api.log"
    with (
        taskmgr.worker(log=folder / "worker.log"),
        taskmgr.started("api", "serve", "--port=0", log=log),
    ):
        wait_until(lambda: "until Ctrl-C" in log.read_text(), "the API answers")
        (url,) = re.findall(r"the API is on (\S+),", log.read_text())
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            yield Api(taskmgr, http, log)


def submitted(api: Api, name: str, **inputs: Any) -> str:
    """Submit a run; its id."""
    answer = api.http.post("/runs", json={"name": name, "inputs": inputs})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["run_id"])


def test_pipeline_is_run_and_its_result_told(api: Api) -> None:
    """The whole way, in the documents that the command prints."""
    run_id = submitted(api, "measured", text="one three")
    told = api.http.get(f"/runs/{run_id}", params={"wait": 30}).json()
    assert told["status"] == "succeeded"
    assert told["result"]["count"] == 2
    assert told == api.taskmgr.json("show", run_id)
    assert [each["step"] for each in api.http.get(f"/runs/{run_id}/logs").json()["lines"]] == [
        "002"
    ]


def test_file_goes_in_by_a_form_and_comes_out_by_its_digest(api: Api) -> None:
    """What one run makes another is given, and its lineage leads back."""
    run_id = submitted(api, "write", text="a note")
    made = api.http.get(f"/runs/{run_id}", params={"wait": 30}).json()["result"]["result"]
    digest = made["$artifact"]
    assert api.http.get(f"/artifacts/{digest}").content == b"a note"
    read = submitted(api, "read", file={"$artifact": digest})
    assert api.http.get(f"/runs/{read}", params={"wait": 30}).json()["result"]["result"] == "a note"
    sent = api.http.post(
        "/runs",
        data={"request": json.dumps({"name": "read"})},
        files={"file": ("note.txt", b"sent")},
    )
    told = api.http.get(f"/runs/{sent.json()['run_id']}", params={"wait": 30}).json()
    assert told["result"]["result"] == "sent"
    parts = api.http.get(f"/lineage/{digest}").json()["led_to"]["parts"]
    assert {each["run_id"] for each in parts} >= {run_id, read}


def test_log_is_followed_while_the_task_writes(api: Api, tmp_path: Path) -> None:
    """Lines come before the run has ended; it goes on when its gate opens."""
    gate = tmp_path / "gate"
    run_id = submitted(api, "talk", gate=str(gate))
    seen: list[str] = []
    with api.http.stream("GET", f"/runs/{run_id}/events") as answer:
        for line in answer.iter_lines():
            seen.append(line)
            if "before the gate" in line:
                gate.touch()
    text = "\n".join(seen)
    assert text.index("before the gate") < text.index("behind the gate") < text.index("event: end")


def test_server_is_ready_and_has_told_no_secret(api: Api) -> None:
    """Its log has neither the token nor an address with a password."""
    told = api.http.get("/health/ready").json()
    assert told["status"] == "ready"
    assert {each["service"] for each in told["services"]} == {"metadata", "artifacts", "broker"}
    token = api.http.headers["Authorization"].removeprefix("Bearer ")
    assert token not in api.log.read_text()
