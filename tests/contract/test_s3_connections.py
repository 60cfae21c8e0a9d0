"""Other things at the address of the artifact store: TLS, something that is no S3, a gateway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest
from tls_proxy import tls_in_front

from servers import Share
from taskmgr_core.errors import ArtifactError, SettingsError, StoreUnavailableError
from taskmgr_core.stores.s3 import S3Artifacts, S3Location

CONTENT = b"content"


@pytest.fixture
def behind_tls(s3_server: Share, tmp_path: Path) -> Iterator[tuple[S3Location, Path]]:
    """A bucket behind TLS, and the certificate that nobody knows."""
    plain = S3Location.from_url(s3_server.url)
    host, _, port = plain.host.partition(":")
    with tls_in_front(host, int(port), tmp_path) as (secure, certificate):
        yield attrs.evolve(plain, host=f"127.0.0.1:{secure}", secure=True), certificate


def test_unknown_certificate_is_refused(
    behind_tls: tuple[S3Location, Path], tmp_path: Path
) -> None:
    """A certificate of an unknown signer is final, and the message says what to give."""
    location, _ = behind_tls
    with pytest.raises(ArtifactError, match=r"cannot be trusted: .*ca_file") as caught:
        S3Artifacts(location, tmp_path / "one").initialize()
    assert not isinstance(caught.value, StoreUnavailableError)


def test_trusted_certificate_is_taken(behind_tls: tuple[S3Location, Path], tmp_path: Path) -> None:
    """With the certificate of the signer, files go and come over TLS."""
    location, certificate = behind_tls
    location = attrs.evolve(location, ca_file=certificate)
    store = S3Artifacts(location, tmp_path / "one")
    store.initialize()
    digest = store.put_bytes(CONTENT).digest
    assert S3Artifacts(location, tmp_path / "two").read(digest) == CONTENT


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unusable_certificate_file_is_named(tmp_path: Path, content: str | None) -> None:
    """A ca_file that is absent or has no certificate is refused before anything is asked."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    location = S3Location.from_url(f"s3+https://k:s@localhost/bucket?ca_file={path}")
    with pytest.raises(SettingsError, match=rf"the ca_file {path} .* PEM file"):
        S3Artifacts(location, tmp_path / "one").initialize()


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[S3Location]:
    """A server that answers everything with one status and a page for people."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(request.param)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "5")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"<p/>\n")

        do_GET = do_HEAD = do_PUT = answer  # noqa: N815 - names of the library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield S3Location.from_url(f"s3+http://key:secret@127.0.0.1:{server.server_port}/bucket")
        server.shutdown()


@pytest.mark.parametrize("answering", [400, 404], indirect=True)
def test_what_is_no_s3_is_told(answering: S3Location, tmp_path: Path) -> None:
    """A web server at the address is final: it will not become an artifact store."""
    with pytest.raises(ArtifactError, match=r"is no S3.*check host, port and scheme") as caught:
        S3Artifacts(answering, tmp_path / "one", patience=0.5).initialize()
    assert not isinstance(caught.value, StoreUnavailableError)


@pytest.mark.parametrize("answering", [500, 502, 503, 504], indirect=True)
def test_gateway_without_its_server_is_away(answering: S3Location, tmp_path: Path) -> None:
    """What stands before a store that is away answers for it: that may go well later."""
    with pytest.raises(StoreUnavailableError, match=rf"{answering.host} .*HTTP status 5\d\d"):
        S3Artifacts(answering, tmp_path / "one", patience=0.5).initialize()
