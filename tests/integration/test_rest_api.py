"""The REST API as a process of its own: what is submitted, told, refused and cut off."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from rest_server import CONTENT, Served, problem_of

from taskmgr_core.documents import digest_of

Runs = tuple[Path, dict[str, str]]
DIGITS = f"/artifacts/{digest_of(CONTENT)}"


def png(width: int, height: int) -> bytes:
    """A white picture; its size costs nothing to claim."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        told = kind + content
        return struct.pack(">I", len(content)) + told + struct.pack(">I", zlib.crc32(told))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff" * min(width, 64)) * min(height, 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def form(rest: Served, name: str, files: list[tuple[str, Any]]) -> httpx.Response:
    """Submit a form."""
    asked = json.dumps({"name": name})
    return rest.http.post("/runs", data={"request": asked}, files=files)


def raw(rest: Served, content: bytes, timeout: float = 20) -> bytes:
    """What the server says to some bytes until it closes."""
    with socket.create_connection(rest.address, timeout) as opened:
        opened.sendall(content)
        parts = []
        # A server that closes with a body unread resets, and what it has said may be lost.
        with contextlib.suppress(ConnectionResetError):
            while part := opened.recv(65536):
                parts.append(part)
    return b"".join(parts)


# submitting


def test_submitted_run_is_recorded_when_it_is_answered(rest: Served) -> None:
    """Its place is told; another process finds it with its inputs."""
    answer = rest.submit(41)
    assert answer.status_code == 201
    run_id = answer.json()["run_id"]
    assert answer.headers["location"] == f"/v1/runs/{run_id}"
    with rest.client() as client:
        detail = client.detail(run_id)
    assert [each.document for each in detail.values] == [41]


def test_uploaded_picture_becomes_an_artifact_of_its_name(rest: Served) -> None:
    """A file of a form is the input of its part's name, by digest, without any folder."""
    content = png(8, 8)
    answer = form(rest, "look", [("image", ("../../etc/a\\..\\b.png", content, "image/png"))])
    assert answer.status_code == 201, answer.text
    told = rest.http.get(f"/runs/{answer.json()['run_id']}").json()["inputs"]["image"]
    assert told["$artifact"] == digest_of(content)
    assert told["name"] == "b.png"
    got = rest.http.get(f"/artifacts/{digest_of(content)}")
    assert (got.status_code, got.content) == (200, content)


def test_key_gives_the_same_run_again_and_no_other_request(rest: Served) -> None:
    """The same request with the key is answered with the same run; another one is refused."""
    headers = {"Idempotency-Key": "an order"}
    first, second = rest.submit(1, **headers), rest.submit(1, **headers)
    assert first.json() == second.json()
    assert "idempotent-replay" not in first.headers
    assert second.headers["idempotent-replay"] == "true"
    other = problem_of(rest.submit(2, **headers))
    assert other["type"] == "urn:taskmgr:problem:key-reused"
    assert other["status"] == 422


def test_key_of_a_refused_request_is_free_again(rest: Served) -> None:
    """What came to nothing does not keep the corrected request out."""
    headers = {"Idempotency-Key": "mistyped"}
    wrong = {"name": "nothing", "inputs": {"number": "one"}}
    assert rest.http.post("/runs", json=wrong, headers=headers).status_code == 422
    assert rest.submit(1, **headers).status_code == 201


# what is refused


@pytest.mark.parametrize(
    ("asked", "pointers"),
    [
        (
            {"name": "nothing", "inputs": {"number": "x", "n~/m": 1}},
            ["/inputs/n~0~1m", "/inputs/number"],
        ),
        ({"name": 1, "inputs": []}, ["/name", "/inputs"]),
        ({"inputs": {}}, ["/name"]),
    ],
    ids=["inputs", "types", "missing"],
)  # fmt: skip
def test_every_fault_of_a_body_is_told_with_its_place(
    rest: Served, asked: object, pointers: list[str]
) -> None:
    """Each is one error with a JSON pointer."""
    told = problem_of(rest.http.post("/runs", json=asked))
    assert told["status"] == 422
    assert sorted(each["pointer"] for each in told["errors"]) == sorted(pointers)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000, b'{"name": "\\ud800"}'],
    ids=["empty", "cut", "bytes", "NaN", "deep", "surrogate"],
)
def test_body_that_is_no_json_is_refused(rest: Served, content: bytes) -> None:
    """It is the client's fault, and said so."""
    headers = {"Content-Type": "application/json"}
    answer = rest.http.post("/runs", content=content, headers=headers)
    assert problem_of(answer)["type"] == "urn:taskmgr:problem:invalid-request"


@pytest.mark.parametrize("path", ["/etc/passwd", "~/x.png", "../x.png", "file:///etc/passwd"])
def test_no_text_names_a_file_of_the_server(rest: Served, path: str) -> None:
    """A client that is not on the machine has no files on it."""
    told = problem_of(rest.http.post("/runs", json={"name": "look", "inputs": {"image": path}}))
    assert told["errors"][0]["pointer"] == "/inputs/image"
    assert "is no file here" in told["errors"][0]["detail"]


def test_picture_bomb_and_damaged_picture_are_refused(rest: Served) -> None:
    """What decodes to more than is allowed, or not at all, makes no run."""
    for content, said in ((png(60_000, 60_000), "million"), (png(64, 64)[:60], "damaged")):
        told = problem_of(form(rest, "look", [("image", ("a.png", content, "image/png"))]))
        assert told["status"] == 422
        assert said in told["errors"][0]["detail"]


def test_too_many_files_and_a_form_that_is_cut_are_refused(rest: Served) -> None:
    """A form has bounded parts, and ends."""
    many = [("image", (f"{each}", io.BytesIO(b"x"), "image/png")) for each in range(65)]
    assert problem_of(form(rest, "look", many))["status"] in (400, 413)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    cut = b'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n{'
    assert problem_of(rest.http.post("/runs", content=cut, headers=headers))["status"] == 400


def test_larger_body_is_refused_before_it_is_read(rest: Served) -> None:
    """Both where its length is told and where it comes in chunks."""
    head = b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    told = raw(rest, head + b"Content-Length: 999999999\r\n\r\n{")
    assert told.startswith(b"HTTP/1.1 413")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        told = raw(rest, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3)
        assert told.startswith(b"HTTP/1.1 413") or not told
    assert rest.http.get("/health/live").status_code == 200


def test_page_of_another_host_can_ask_nothing(rest: Served) -> None:
    """Without accounts a browser on this machine must not carry others' requests here."""
    for headers in ({"Host": "evil.test"}, {"Origin": "https://evil.test"}):
        assert problem_of(rest.submit(1, **headers))["status"] == 421
    assert rest.submit(1, Origin="http://localhost:3000").status_code == 201


def test_unknown_parameter_names_the_nearest(rest: Served) -> None:
    """A mistyped filter does not list everything."""
    told = problem_of(rest.http.get("/runs", params={"stauts": "failed"}))
    assert told["errors"][0]["parameter"] == "stauts"
    assert "'status'" in told["errors"][0]["detail"]


# what is told


def test_pages_of_runs_have_each_run_once(rest: Served, rest_home: Runs) -> None:
    """The cursor leads through all of them, newest first."""
    found, cursor = [], None
    while True:
        page = rest.http.get("/runs", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        found += [each["run_id"] for each in page.json()["runs"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert found == sorted(set(found), reverse=True)
    assert set(rest_home[1].values()) <= set(found)


def test_part_of_an_artifact_is_given_and_known_one_is_not(rest: Served) -> None:
    """Ranges and entity tags work as RFC 9110 says."""
    whole = rest.http.get(DIGITS)
    assert whole.content == CONTENT
    part = rest.http.get(DIGITS, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content) == (206, b"345")
    assert part.headers["content-range"] == f"bytes 3-5/{len(CONTENT)}"
    known = rest.http.get(DIGITS, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    behind = rest.http.get(DIGITS, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert behind.status_code == 416
    stale = rest.http.get(DIGITS, headers={"Range": "bytes=3-5", "If-Range": '"another"'})
    assert (stale.status_code, len(stale.content)) == (200, len(CONTENT))
    assert rest.http.head(DIGITS).headers["content-length"] == str(len(CONTENT))


def test_wheel_is_no_artifact_of_a_run(rest: Served) -> None:
    """What no run has recorded is not given, whether it is stored or not."""
    assert problem_of(rest.http.get(f"/artifacts/{digest_of(b'')}"))["status"] == 404


def test_cancelled_run_is_told_as_it_is_then(rest: Served) -> None:
    """A cancellation is recorded when it is answered."""
    run_id = rest.submit(7).json()["run_id"]
    assert rest.http.post(f"/runs/{run_id}/cancel").json()["status"] == "cancelled"
    again = rest.http.post(f"/runs/{run_id}/retry")
    assert again.status_code == 201
    assert rest.http.get(f"/runs/{again.json()['run_id']}").json()["retry_of"] == run_id
    going_on = rest.http.post(f"/runs/{again.json()['run_id']}/retry")
    assert problem_of(going_on)["status"] == 409
