"""Fetches a file whose digest is known, as uv would: with its proxies, certificates and users."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import netrc
import shutil
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from taskmgr_core.errors import TaskmgrError

TIMEOUT_SECONDS = 60.0
BLOCK_BYTES = 1 << 20
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


class FetchError(TaskmgrError):
    """A file is not to be had, or is another one."""


@attrs.frozen
class Fetcher:
    """Fetches files.

    Attributes:
        environment: what uv gets: where the indexes are, with whose names; proxies are
            those of the process.
    """

    environment: Mapping[str, str] = attrs.field(repr=False)

    def fetch(self, place: str, sha256: str, target: Path) -> Path:
        """Get a file and check it.

        Arguments:
            place: its address, ``https:``, ``http:`` or ``file:``, or a path.
            sha256: what it must be, 64 hexadecimal digits.
            target: where it is put.

        Raises:
            FetchError: it cannot be had, or is another one; nothing is left then.
        """
        try:
            self._get(place, target)
        except (OSError, ValueError) as error:  # of urllib, too
            target.unlink(missing_ok=True)
            raise FetchError(f"it cannot be fetched: {error}; try again") from error
        with target.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != sha256:
            target.unlink()
            raise FetchError(f"its sha256 is {found}, and the lock names {sha256}")
        return target

    def _get(self, place: str, target: Path) -> None:
        parts = urllib.parse.urlsplit(place)
        if parts.scheme in ("", "file"):
            shutil.copyfile(urllib.request.url2pathname(parts.path), target)
            return
        if parts.scheme not in ("http", "https"):
            raise ValueError(f"allowed are https, http and file, not {parts.scheme}")
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            place.partition("#")[0], headers={"User-Agent": "taskmgr"}
        )
        for name, value in self._headers(parts):
            request.add_unredirected_header(name, value)  # whoever it leads to is somebody else
        with (
            urllib.request.urlopen(  # noqa: S310
                request, timeout=TIMEOUT_SECONDS, context=self._context()
            ) as answer,
            target.open("wb") as opened,
        ):
            shutil.copyfileobj(answer, opened, BLOCK_BYTES)

    def _headers(self, parts: urllib.parse.SplitResult) -> Iterator[tuple[str, str]]:
        user = self._user_of_index(parts) or self._user_of_netrc(parts)
        if user is not None:
            text = base64.b64encode(":".join(user).encode()).decode()
            yield "Authorization", f"Basic {text}"

    def _user_of_index(self, wanted: urllib.parse.SplitResult) -> tuple[str, str] | None:
        """User and password of the index on the same host, where its address has them."""
        texts = " ".join(self.environment.get(name, "") for name in _INDEX_VARIABLES).split()
        for text in texts:
            with contextlib.suppress(ValueError):
                parts = urllib.parse.urlsplit(text.partition("=")[2] if "=http" in text else text)
                same = (parts.scheme, parts.hostname, parts.port) == (
                    wanted.scheme,
                    wanted.hostname,
                    wanted.port,
                )
                if same and parts.username:
                    quoted = parts.username, parts.password or ""
                    user, password = (urllib.parse.unquote(each) for each in quoted)
                    return user, password
        return None

    def _user_of_netrc(self, wanted: urllib.parse.SplitResult) -> tuple[str, str] | None:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc(self.environment.get("NETRC")).authenticators(wanted.hostname or "")
            if found is not None:
                return found[0], found[2] or ""
        return None

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(
            cafile=self.environment.get("SSL_CERT_FILE") or None,
            capath=self.environment.get("SSL_CERT_DIR") or None,
        )
