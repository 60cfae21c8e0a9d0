"""What the client of S3 raises, and what it means to us."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from minio import time as signing_time
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError, SSLError

from taskmgr_core.errors import ArtifactError, StoreUnavailableError
from taskmgr_core.stores.s3.location import S3Location

FAILURES: tuple[type[Exception], ...] = (MinioException, HTTPError, ConnectionError, TimeoutError)

_LATER = frozenset(
    {"ConditionalRequestConflict", "InternalError", "OperationAborted", "RequestTimeout"}
    | {"ServiceUnavailable", "SlowDown", "TooManyRequests"}
)
_WRONG_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})
_SKEW_SECONDS = 5 * 60.0


def code_of(error: Exception) -> str:
    """S3's word for what went wrong, or nothing."""
    return (error.code or "") if isinstance(error, S3Error) else ""


def translate(error: Exception, location: S3Location) -> ArtifactError:
    """What to tell: ``StoreUnavailableError`` for what may go well later."""
    if isinstance(error, SSLError):
        return _distrusted(error, location)
    if isinstance(error, S3Error):
        return _refused(error, location)
    status = _status(error)
    if status is not None and status < 500:
        return ArtifactError(
            f"what answers at {location.host} is no S3 (HTTP status {status}); "
            "check host, port and scheme in the address of the artifact store"
        )
    return _away(f"HTTP status {status}" if status else _reason(error, location), location)


def _status(error: Exception) -> int | None:
    if isinstance(error, ServerError):
        return error.status_code
    if isinstance(error, InvalidResponseError):
        status: object = vars(error).get("_code")  # it has no other name for it
        return status if isinstance(status, int) else None
    return None


def _refused(error: S3Error, location: S3Location) -> ArtifactError:
    code, status = code_of(error), error.response.status
    if code in _LATER or status >= 500 or status == 429:
        return _away(f"{code}, HTTP status {status}", location)
    skew = _skew_seconds(error)
    if code == "RequestTimeTooSkewed" or (status == 403 and abs(skew) > _SKEW_SECONDS):
        direction = "ahead of" if skew > 0 else "behind"
        return ArtifactError(
            f"the artifact store {location.host} refuses requests because the clock of this "
            f"machine is {abs(skew):.0f} s {direction} its own; set the clock (NTP)"
        )
    if code in _WRONG_KEYS:
        return ArtifactError(
            f"the artifact store {location.host} does not know the key, or the secret is not "
            f"the key's ({code}); check both in the address of the artifact store"
        )
    if status == 403:
        return ArtifactError(
            f"the artifact store {location.host} does not let this key use the bucket "
            f"{location.bucket!r} ({code}); it has to read, write, list and locate it"
        )
    if code == "NoSuchBucket":
        return ArtifactError(
            f"there is no bucket {location.bucket!r} at {location.host}; create it, or check "
            "the address of the artifact store"
        )
    said = location.without_secrets(error.message or "")
    return ArtifactError(f"the artifact store {location.name} refused: {code}: {said}")


def _skew_seconds(error: S3Error) -> float:
    """How far this machine's clock is ahead of the server's, as its answer tells."""
    told = error.response.headers.get("date")
    try:
        theirs = parsedate_to_datetime(told) if told else None
    except ValueError:
        theirs = None
    if theirs is None:
        return 0.0
    return (signing_time.utcnow() - theirs).total_seconds()


def _distrusted(error: SSLError, location: S3Location) -> ArtifactError:
    return ArtifactError(
        f"the artifact store {location.host} cannot be trusted: {_reason(error, location)}; give "
        "the certificate of who signed its own as ca_file in the address of the artifact store"
    )


def _away(reason: str, location: S3Location) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"the artifact store {location.host} does not answer as it should: {reason}; check that "
        "it runs and can be reached from here"
    )


def _reason(error: Exception, location: S3Location) -> str:
    return location.without_secrets(f"{type(error).__name__}: {error}")
