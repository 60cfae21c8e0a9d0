"""The address of a bucket: what it says, what is refused, and that it keeps its secrets."""

from pathlib import Path

import pytest

from taskmgr_core.errors import SettingsError
from taskmgr_core.stores.s3.location import S3Location


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "s3+http://key:secret@127.0.0.1:9000/bucket",
            S3Location("127.0.0.1:9000", "bucket", "key", "secret", secure=False),
        ),
        (
            "s3+https://key:secret@store.example/a.bucket-1/",
            S3Location("store.example", "a.bucket-1", "key", "secret"),
        ),
        (
            "s3+http://key:secret@[::1]:9000/bucket?region=here",
            S3Location("[::1]:9000", "bucket", "key", "secret", secure=False, region="here"),
        ),
        (
            "s3://KEY:a%2Fb%3Ac%40d%25@bucket?region=eu-west-1",
            S3Location(
                "s3.eu-west-1.amazonaws.com", "bucket", "KEY", "a/b:c@d%", region="eu-west-1"
            ),
        ),
        (
            "s3+https://k:s@store/bucket?ca_file=/etc/ca.pem",
            S3Location("store", "bucket", "k", "s", ca_file=Path("/etc/ca.pem")),
        ),
    ],
)
def test_address_is_read(url: str, expected: S3Location) -> None:
    """Every form of an address gives its parts, with the characters that were escaped."""
    assert S3Location.from_url(url) == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "no key and secret"),
        ("http://topkey:topsecret@host/bucket", "begins with 'http://'"),
        ("s3+http://host/bucket", "no key and secret"),
        ("s3+http://topkey@host/bucket", "no key and secret"),
        ("s3+http://topkey:topsecret@host", "no host and bucket"),
        ("s3+http://topkey:topsecret@/bucket", "no host and bucket"),
        ("s3://topkey:topsecret@bucket", "and a region"),
        ("s3://topkey:topsecret@host/bucket?region=x", "a bucket where others have a host"),
        ("s3+http://topkey:topsecret@host/Bucket", "the bucket 'Bucket' has no name"),
        ("s3+http://topkey:topsecret@host/a", "the bucket 'a' has no name"),
        ("s3+http://topkey:topsecret@host/a..b", "the bucket 'a..b' has no name"),
        ("s3+http://topkey:topsecret@host/bucket/more", "the bucket 'bucket/more' has no name"),
        ("s3+http://topkey:topsecret@host/bucket?regoin=x", "'regoin'; did you mean 'region'?"),
        ("s3+https://topkey:topsecret@host/bucket?insecure=yes", "the option 'insecure'"),
        ("s3+http://topkey:topsecret/x@host/bucket", "characters / : @"),
        ("s3+http://topkey:12/topsecret@host/bucket", "no key and secret"),
        ("s3+http://topkey:12?topsecret@host/bucket", "no key and secret"),
        ("s3+http://topkey:12#topsecret@host/bucket", "no key and secret"),
    ],
)
def test_address_that_cannot_be_used_is_refused(url: str, why: str) -> None:
    """The message says what is wrong and how one is written, and has neither key nor secret."""
    with pytest.raises(SettingsError) as caught:
        S3Location.from_url(url)
    assert why in str(caught.value)
    assert "s3+https://KEY:SECRET@HOST:PORT/BUCKET" in str(caught.value)
    assert "topkey" not in str(caught.value)
    assert "topsecret" not in str(caught.value)
