"""Where a bucket is and who may use it, read from one address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from taskmgr_core.errors import SettingsError, nearest

# How large files are cut, which the names that servers give them depend on.
PART_BYTES = 8 << 20

_BUCKET = re.compile(r"(?!.*(\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_FORMS = (
    "s3+http://KEY:SECRET@HOST:PORT/BUCKET, s3+https://KEY:SECRET@HOST:PORT/BUCKET, "
    "or s3://KEY:SECRET@BUCKET?region=REGION for Amazon's"
)
_OPTIONS = ("region", "ca_file", "prefix")
_PREFIX = re.compile(r"([A-Za-z0-9._-]*[A-Za-z0-9_-]/)*\Z")


@attrs.frozen
class S3Location:
    """A bucket.

    Attributes:
        host: the server, with its port where that is not the usual one.
        bucket: its name.
        access_key: who asks; never shown.
        secret_key: the proof; never shown.
        secure: over TLS.
        region: for the signatures; empty: the server is asked.
        ca_file: who signed the server's certificate; none: whom the system trusts.
        prefix: what the names of all objects begin with; it ends with a ``/``.
    """

    host: str
    bucket: str
    access_key: str = attrs.field(repr=False)
    secret_key: str = attrs.field(repr=False)
    secure: bool = True
    region: str = ""
    ca_file: Path | None = None
    prefix: str = ""

    @classmethod
    def from_url(cls, url: str) -> S3Location:
        """Read an address; special characters of key and secret are written as ``%2F``.

        Raises:
            SettingsError: it is none; the message has neither key nor secret.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its message has what stands where the port should
            raise SettingsError(
                f"the address of the artifact store cannot be read; write {_FORMS}, and the "
                "characters / : @ ? # % of key and secret as %2F %3A %40 %3F %23 %25"
            ) from None
        # First: of an address whose secret is not written as it should be, no part is shown.
        if not (parts.username and parts.password):
            _refuse("it has no key and secret")
        options = _options(parts)
        host, bucket = _place(parts, options.get("region", ""))
        if not _BUCKET.match(bucket):
            _refuse(
                f"the bucket {bucket!r} has no name that S3 takes: 3 to 63 small letters, "
                "digits, dots and hyphens"
            )
        if not _PREFIX.match(prefix := options.get("prefix", "")):
            _refuse(f"the prefix {prefix!r} is not NAME/, or several of these")
        return cls(
            host=f"{host}:{port}" if port else host,
            bucket=bucket,
            access_key=unquote(parts.username or ""),
            secret_key=unquote(parts.password or ""),
            secure=parts.scheme != "s3+http",
            region=options.get("region", ""),
            ca_file=Path(options["ca_file"]) if "ca_file" in options else None,
            prefix=prefix,
        )

    @property
    def name(self) -> str:
        """The bucket and its host, for messages."""
        return f"{self.bucket} at {self.host}"

    def without_secrets(self, text: str) -> str:
        """A text of somebody else, with neither key nor secret in it."""
        for secret in (self.secret_key, self.access_key):
            text = text.replace(secret, "***")
        return text


def _options(parts: SplitResult) -> Mapping[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS:
            _refuse(f"it has the option {name!r}; {nearest(name, _OPTIONS)}")
    return options


def _place(parts: SplitResult, region: str) -> tuple[str, str]:
    """The host and the bucket."""
    path = parts.path.removeprefix("/").removesuffix("/")
    if parts.scheme in ("s3+http", "s3+https"):
        if not parts.hostname or not path:
            _refuse("it has no host and bucket")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return host, path
    if parts.scheme != "s3":
        _refuse(f"it begins with '{parts.scheme}://'")
    if path or not parts.hostname or not region:
        _refuse("an s3:// address has a bucket where others have a host, and a region")
    return f"s3.{region}.amazonaws.com", parts.hostname


def _refuse(why: str) -> NoReturn:
    raise SettingsError(f"the address of the artifact store cannot be used: {why}; write {_FORMS}")
