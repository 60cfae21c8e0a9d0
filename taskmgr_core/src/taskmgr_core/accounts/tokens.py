"""The secret of an API token: what it looks like, and how it is known again.

256 random bits in letters and digits, behind a prefix that scanners of source code look for,
before a checksum that tells a typing error from a secret without asking anybody. A secret
that is random needs no slow hash: nobody can try them all.

Source: GitHub, "Behind GitHub's new authentication token formats", 2021.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "tmg_"
SECRET_BITS = 256
# For scanners: what a leaked token looks like.
PATTERN = r"tmg_[0-9A-Za-z]{49}"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
_TOKEN = re.compile(rf"{PATTERN}\Z")


def new_secret() -> str:
    """A new token, to be shown once."""
    body = _in_base_62(secrets.randbits(SECRET_BITS), _SECRET_LENGTH)
    return PREFIX + body + _checksum(body)


def new_id() -> str:
    """What a token is named by."""
    return secrets.token_hex(6)


def is_whole(secret: str) -> bool:
    """Whether something can be a token: its form, and its checksum."""
    if not _TOKEN.match(secret):
        return False
    body, checksum = secret[len(PREFIX) : -_CHECKSUM_LENGTH], secret[-_CHECKSUM_LENGTH:]
    return _checksum(body) == checksum


def hash_of(secret: str) -> str:
    """What is recorded of a token: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def hidden(text: str) -> str:
    """A text without the secret of any token that is in it, whole or with characters wrong."""
    return re.sub(rf"{PREFIX}[0-9A-Za-z]{{8,}}", f"{PREFIX}***", text)


def _checksum(body: str) -> str:
    return _in_base_62(zlib.crc32((PREFIX + body).encode()), _CHECKSUM_LENGTH)


def _in_base_62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
