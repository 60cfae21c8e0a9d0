"""Notifications at real receivers: an HTTP server, and a mail server with TLS."""

from __future__ import annotations

import datetime
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from servers.ports import free_ports
from taskmgr_core.hooks import Hooks
from taskmgr_core.notification_rules import Channel, Notifications
from taskmgr_core.notifications.plugin import Notifier, sender
from taskmgr_core.notifications.webhook import DeliveryError, Webhook, signature
from taskmgr_plugins.events import Notification

KEY, PASSWORD = "hush", "p%3Aw"
FAILED = Notification("run-failed", "it failed", 1.0, run="r1", task="words", code="timeout")


@attrs.define
class Receiver:
    """An HTTP server that keeps what it is sent, and answers as it is told to."""

    url: str
    answers: list[int] = attrs.field(factory=list)
    kept: list[tuple[dict[str, str], bytes]] = attrs.field(factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.kept.append((dict(self.headers.items()), body))
            status = found.answers.pop(0) if found.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", found.url + "elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def channel(receiver: Receiver, **more: Any) -> Channel:
    """A channel to the server."""
    return Channel("ops", "webhook", url=receiver.url, private=True, **more)


def test_webhook_gets_a_signed_body(receiver: Receiver) -> None:
    """Its signature is that of what arrived, with the id and the time of the headers."""
    sender(channel(receiver, secret=KEY), FAILED)()
    ((headers, body),) = receiver.kept
    assert json.loads(body)["run"] == "r1"
    stamped = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(KEY, body, headers["webhook-id"], stamped)
    assert abs(stamped - time.time()) < 60


def test_attempts_at_one_message_have_one_id(receiver: Receiver) -> None:
    """So the receiver can tell that it has it already."""
    send = sender(channel(receiver), FAILED)
    receiver.answers = [500]
    with pytest.raises(DeliveryError, match="answered 500"):
        send()
    send()
    assert len({headers["webhook-id"] for headers, _ in receiver.kept}) == 1


@pytest.mark.parametrize(
    ("status", "again"), [(302, False), (404, False), (429, True), (503, True)]
)
def test_answer_says_whether_to_try_again(receiver: Receiver, status: int, again: bool) -> None:
    """And a redirection is not followed: there is one request."""
    receiver.answers = [status]
    with pytest.raises(DeliveryError, match=str(status)) as told:
        sender(channel(receiver), FAILED)()
    assert told.value.again is again
    assert len(receiver.kept) == 1


def test_receiver_that_says_nothing_is_given_up() -> None:
    """The time is limited."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", private=True, timeout=0.1)
        with pytest.raises(DeliveryError, match="cannot be reached: timed out"):
            webhook.send(b"{}", "m", 1)


def test_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    """HTTPS is spoken with who the address names, or not at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.timeout = 5
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    url = f"https://localhost:{server.server_address[1]}/"
    with pytest.raises(DeliveryError, match="certificate verify failed"):
        Webhook(url, private=True).send(b"{}", "m", 1)
    thread.join()
    server.server_close()


def test_plugin_tells_what_is_wanted_and_is_done_at_the_end(receiver: Receiver) -> None:
    """Through the hooks, as a process does: what is waiting at its end is delivered still."""
    receiver.answers = [503]
    rules = Notifications((channel(receiver, kinds=("run-failed",)),))
    hooks = Hooks(own={"notifications": lambda: Notifier(rules, {})}, group=None)
    for each in (FAILED, FAILED, Notification("worker-lost", "lost", 1.0, worker="w")):
        hooks.tell("taskmgr_notify", partial(attrs.evolve, each))
    hooks.close()
    assert [json.loads(body)["kind"] for _, body in receiver.kept] == ["run-failed"] * 2
    assert hooks.states()[0].state == "ok"


# e-mail


def certificate(folder: Path) -> Path:
    """A file with a certificate for localhost and its key, of nobody known."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@attrs.define
class Post:
    """A mail server that keeps what it is sent."""

    port: int = 0
    kept: list[bytes] = attrs.field(factory=list)
    encrypted: list[bool] = attrs.field(factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Take an e-mail; from this sender none."""
        if envelope.mail_from == "refused@x.example":
            return "550 not from you"
        self.kept.append(envelope.content)
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def url(self, scheme: str, password: str) -> str:
        """Its address."""
        return f"{scheme}://ops:{password}@localhost:{self.port}"


@pytest.fixture
def post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """The server, with STARTTLS and one account; its certificate is trusted."""
    pem = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    found = Post()

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and data.password == b"p:w"
        return AuthResult(success=good, handled=False)

    controller = Controller(
        found,
        hostname="127.0.0.1",
        port=free_ports(1)[0],
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=known,
    )
    controller.start()
    found.port = controller.port
    yield found
    controller.stop()


def mail(post: Post, scheme: str = "smtp", password: str = PASSWORD, **more: Any) -> Channel:
    """A channel to the server."""
    told = {"sender": "taskmgr@x.example", "to": ("ops@x.example",), **more}
    return Channel("mail", "email", server=post.url(scheme, password), **told)


def test_mail_is_sent_encrypted_and_with_a_password(post: Post) -> None:
    """Over STARTTLS; the subject and the text say what happened."""
    sender(mail(post), FAILED, kept_back=3)()
    assert post.encrypted == [True]
    found = message_from_bytes(post.kept[0])
    assert found["Subject"] == "[taskmgr] run-failed: words"
    text = found.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().split("\r\n") == [
        "it failed", "", "run: r1", "task: words", "code: timeout", "see: taskmgr show r1",
        "and 3 more that were not told", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "said", "again"),
    [
        ({"password": "mistaken"}, "localhost refuses: 535", False),
        ({"sender": "refused@x.example"}, "localhost refuses: 550 not from you", False),
        ({"scheme": "smtps"}, "localhost cannot be reached", True),
        ({"scheme": "smtp+plain"}, "localhost: SMTP AUTH extension not supported", False),
    ],
)
def test_mail_that_is_not_taken_says_why(
    post: Post, more: dict[str, Any], said: str, again: bool
) -> None:
    """A wrong password, a sender who is refused, another way to speak; no password is shown."""
    with pytest.raises(DeliveryError) as told:
        sender(mail(post, **more), FAILED)()
    assert said in str(told.value)
    assert "mistaken" not in str(told.value)
    assert told.value.again is again
    assert post.kept == []


def test_mail_server_that_nobody_trusts_gets_no_password(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is looked at first."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DeliveryError, match="certificate verify failed"):
        sender(mail(post), FAILED)()
