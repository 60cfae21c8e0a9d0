"""E-mail over SMTP: encrypted, unless somebody says that it need not be."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import attrs

from taskmgr_core.notifications.webhook import TIMEOUT_SECONDS, DeliveryError

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_PERMANENT = 500


@attrs.frozen
class MailServer:
    """A server that takes e-mail.

    Attributes:
        url: ``smtp://user:password@host:587`` (STARTTLS), ``smtps://`` (TLS from the beginning),
            or ``smtp+plain://`` (not encrypted, for a server on the same machine).
        timeout: seconds for each step of the exchange.
    """

    url: str = attrs.field(repr=False)
    timeout: float = TIMEOUT_SECONDS

    def send(self, mail: EmailMessage) -> None:
        """Send an e-mail once.

        Raises:
            DeliveryError: it was not taken.
        """
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            with self._connected(parts.scheme, host, port) as server:
                if parts.username:
                    server.login(unquote(parts.username), unquote(parts.password or ""))
                server.send_message(mail)
        except smtplib.SMTPNotSupportedError as error:
            raise DeliveryError(f"{host}: {error}", again=False) from error
        except smtplib.SMTPResponseException as error:
            said = f"{error.smtp_code} {_text(error.smtp_error)}"
            again = error.smtp_code < _PERMANENT
            raise DeliveryError(f"{host} refuses: {said}", again=again) from error
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            refused = ", ".join(sorted(error.recipients))
            again = any(code < _PERMANENT for code in codes)
            raise DeliveryError(f"{host} refuses the recipients {refused}", again=again) from error
        except (OSError, smtplib.SMTPException, ValueError) as error:
            said = str(error) or type(error).__name__
            raise DeliveryError(f"{host} cannot be reached: {said}") from error

    def _connected(self, scheme: str, host: str, port: int) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=self.timeout, context=context)
        server = smtplib.SMTP(host, port, timeout=self.timeout)
        if scheme == "smtp":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
