"""A webhook: one POST, signed as Standard Webhooks says, to an address that is allowed.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

TIMEOUT_SECONDS = 5.0
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how such a secret begins, none itself
# Of IPv4 addresses inside IPv6 ones: a gateway may lead from there to any of them.
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))
# Told once more later: too early, too often, and whatever is the receiver's own trouble.
_LATER = frozenset({408, 425, 429})


class DeliveryError(Exception):
    """A message was not taken.

    Arguments:
        message: why; no secret is in it.
        again: whether another attempt may help.
        after: seconds that the receiver wants to be left alone.
    """

    def __init__(self, message: str, *, again: bool = True, after: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.after = after


@attrs.frozen
class Webhook:
    """Somebody who is told over HTTP.

    Attributes:
        url: where; it may be a secret by itself.
        secret: what the bodies are signed with; empty for nothing.
        private: whether it may be at an address that is not of the internet.
        timeout: seconds for each of: connecting, sending, the answer.
    """

    url: str = attrs.field(repr=False)
    secret: str = attrs.field(default="", repr=False)
    private: bool = False
    timeout: float = TIMEOUT_SECONDS

    def send(self, body: bytes, message_id: str, timestamp: int) -> None:
        """Send a body once. A redirection is not followed: it could lead anywhere.

        Arguments:
            body: JSON.
            message_id: the same for each attempt, so that the receiver can tell.
            timestamp: UTC seconds of the attempt.

        Raises:
            DeliveryError: it was not taken.
        """
        parts = urlsplit(self.url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "taskmgr",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            **self._signature(body, message_id, timestamp),
        }
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            with self._connected(host, port, secure=secure) as opened:
                connection = http.client.HTTPConnection(host, port, timeout=self.timeout)
                connection.sock = opened
                connection.request("POST", target, body, headers)
                with contextlib.closing(connection), connection.getresponse() as answer:
                    _judge(answer.status, answer.getheader("Retry-After") or "")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryError(f"{host} cannot be reached: {_said(error)}") from error

    def _signature(self, body: bytes, message_id: str, timestamp: int) -> Mapping[str, str]:
        if not self.secret:
            return {}
        return {"webhook-signature": signature(self.secret, body, message_id, timestamp)}

    def _connected(self, host: str, port: int, *, secure: bool) -> socket.socket:
        """A connection to an address of the host that was looked at: no name is asked twice."""
        address = allowed_address(host, port, private=self.private)
        opened = socket.create_connection(address, timeout=self.timeout)
        if not secure:
            return opened
        try:
            return ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        except BaseException:
            opened.close()
            raise


def signature(secret: str, body: bytes, message_id: str, timestamp: int) -> str:
    """The header ``webhook-signature``.

    Arguments:
        secret: ``whsec_`` and base64, or any text.
        body: what is sent.
        message_id, timestamp: as in their headers.

    Raises:
        DeliveryError: the secret begins with ``whsec_`` and is no base64.
    """
    key = secret.encode()
    if secret.startswith(_SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error as error:
            wrong = f"the secret begins with {_SECRET_PREFIX}, and what follows is no base64"
            raise DeliveryError(wrong, again=False) from error
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    digest = hmac.digest(key, signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def allowed_address(host: str, port: int, *, private: bool) -> tuple[str, int]:
    """An address of a host; where private ones are not allowed, none of its may be one.

    Raises:
        DeliveryError: it has one that is not allowed.
        OSError: its name cannot be looked up.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    inside = [each for each in addresses if not is_public(each)]
    if inside and not private:
        raise DeliveryError(
            f"{host} is at {inside[0]}, which is no address of the internet; where that is meant, "
            "say private = true for this channel",
            again=False,
        )
    return addresses[0], port


def is_public(address: str) -> bool:
    """Whether an address is one of the internet: not this machine, not a network of one's own."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if any(found in each for each in _TRANSLATED):
            return False
    return found.is_global and not found.is_multicast


def _judge(status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    after = float(retry_after) if retry_after.isdecimal() else 0.0
    again = status >= 500 or status in _LATER
    advice = "; a redirection is not followed, give the address it leads to"
    more = advice if 300 <= status < 400 else ""
    raise DeliveryError(f"the receiver answered {status}{more}", again=again, after=after)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
