"""The requests to a bucket: bounded in time, tried again for a while, failures translated."""

from __future__ import annotations

import functools
import itertools
import random
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import attrs
import urllib3
from minio import Minio
from minio.error import S3Error

from taskmgr_core.errors import ArtifactError, SettingsError, StoreUnavailableError
from taskmgr_core.stores.s3.failures import FAILURES, code_of, translate
from taskmgr_core.stores.s3.location import PART_BYTES, S3Location

T = TypeVar("T")

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 20.0
_CONNECTIONS = 16
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
_PAGE = 1000
_NO_OBJECT = "taskmgr-health"
_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket"})


class _NeverOverwriting(urllib3.PoolManager):
    """Has the server refuse to replace an object; the client has no word for it.

    The condition is a header that need not be signed.
    """

    def urlopen(  # type: ignore[override]  # as in the class above it
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, with the condition where it makes an object."""
        makes_object = (method == "PUT" and "partNumber=" not in url) or (
            method == "POST" and "uploadId=" in url
        )
        if makes_object:
            headers = urllib3.HTTPHeaderDict(options.get("headers"))
            headers["If-None-Match"] = "*"
            options["headers"] = headers
        return super().urlopen(method, url, redirect, **options)


@attrs.frozen
class Found:
    """An object that is there.

    Attributes:
        size: in bytes.
        etag: the server's word for its content.
    """

    size: int
    etag: str


@attrs.define
class Bucket:
    """A bucket of objects.

    Attributes:
        location: where it is.
        patience: how long a request is tried again while the store is away, in seconds.
    """

    location: S3Location
    patience: float
    _client: Minio = attrs.field(init=False, repr=False)
    _careful: Minio = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._client = _client(self.location, urllib3.PoolManager)
        self._careful = _client(self.location, _NeverOverwriting)

    def create(self) -> None:
        """Make it, if it is not there."""

        def make() -> None:
            name, region = self.location.bucket, self.location.region or None
            if self._client.bucket_exists(name):
                return
            try:
                self._client.make_bucket(name, region)
            except S3Error:
                if not self._client.bucket_exists(name):  # nobody else has made it meanwhile
                    raise

        self._try(make)

    def server(self) -> str:
        """What the server calls itself; asks for the bucket, too."""

        def ask() -> str:
            if not self._client.bucket_exists(self.location.bucket):
                raise ArtifactError(
                    f"there is no bucket {self.location.bucket!r} at {self.location.host}; "
                    "run: taskmgr init"
                )
            try:
                self._client.stat_object(self.location.bucket, _NO_OBJECT)
            except S3Error as error:
                if code_of(error) not in _ABSENT:
                    raise
                return str(error.response.headers.get("server") or "")
            return ""

        return self._try(ask)

    def look(self, name: str) -> Found | None:
        """What is there under a name, if anything."""

        def stat() -> Found | None:
            try:
                found = self._client.stat_object(self.location.bucket, name)
            except S3Error as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
            return Found(found.size or 0, found.etag or "")

        return self._try(stat)

    def link(self, name: str, seconds: int) -> str:
        """An address of an object that holds for a while; the server is asked for its region."""

        def sign() -> str:
            found: str = self._client.presigned_get_object(
                self.location.bucket, name, expires=timedelta(seconds=seconds)
            )
            return found

        return self._try(sign)

    def upload(self, name: str, path: Path, *, replace: bool) -> bool:
        """Store a file, in parts where it is large; False if another was there first.

        Arguments:
            name: the object's.
            path: the file.
            replace: whether one that is there is replaced.
        """
        client = self._client if replace else self._careful

        def put() -> bool:
            with path.open("rb") as opened:
                size = path.stat().st_size
                try:
                    client.put_object(
                        self.location.bucket, name, opened, size, part_size=PART_BYTES
                    )
                except S3Error as error:
                    if code_of(error) == "PreconditionFailed":
                        return False
                    raise
            return True

        return self._try(put)

    def download(self, name: str, take: Callable[[IO[bytes]], T]) -> T | None:
        """Read an object from its beginning to its end; None if it is not there.

        Arguments:
            name: the object's.
            take: gets the content as a stream, once for each try.
        """

        def get() -> T | None:
            try:
                answer = self._client.get_object(self.location.bucket, name)
            except S3Error as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
            try:
                return take(cast("IO[bytes]", answer))
            finally:
                answer.close()
                answer.release_conn()

        return self._try(get)

    def names(self, prefix: str) -> Iterator[str]:
        """The names of all objects with a prefix, read page by page."""
        after: str | None = None
        while True:
            page = self._try(functools.partial(self._page, prefix, after))
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1]

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        self._try(lambda: self._client.remove_object(self.location.bucket, name))

    def _page(self, prefix: str, after: str | None) -> list[str]:
        found = self._client.list_objects(
            self.location.bucket, prefix, recursive=True, start_after=after
        )
        return [each.object_name or "" for each in itertools.islice(found, _PAGE)]

    def _try(self, request: Callable[[], T]) -> T:
        """Make a request until it is answered, or patience is at its end."""
        deadline = time.monotonic() + self.patience
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return request()
            except FAILURES as error:
                failure = translate(error, self.location)
                if not isinstance(failure, StoreUnavailableError):
                    raise failure from error
                if time.monotonic() + pause > deadline:
                    raise _given_up(failure, self.patience) from error
            # Many that wait for one server do not come back at one moment.
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - nothing secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _given_up(failure: ArtifactError, patience: float) -> StoreUnavailableError:
    return StoreUnavailableError(f"{failure} (tried again for {patience:g} s)")


def _client(location: S3Location, pool: type[urllib3.PoolManager]) -> Minio:
    options: dict[str, Any] = {}
    if location.secure:
        options["ssl_context"] = _trust(location)
    return Minio(
        location.host,
        location.access_key,
        location.secret_key,
        secure=location.secure,
        region=location.region or None,
        http_client=pool(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
            maxsize=_CONNECTIONS,
            retries=False,  # what may be tried again, and for how long, is decided here
            **options,
        ),
    )


def _trust(location: S3Location) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=location.ca_file)
    except OSError as error:
        raise SettingsError(
            f"the ca_file {location.ca_file} of the artifact store cannot be used: {error}; "
            "it has to be a PEM file with certificates"
        ) from error
