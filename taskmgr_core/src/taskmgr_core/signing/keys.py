"""Ed25519 keys: the private one signs, the public one is given to those who are to trust it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING

import attrs

from taskmgr_core.errors import SigningKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# The library is loaded where a key is used: most commands use none.

LABEL = "taskmgr-ed25519"
ID_LENGTH = 16
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}\Z")
_KEY_BYTES = 32


@attrs.frozen
class PublicKey:
    """What a signature is verified with.

    Attributes:
        raw: its 32 bytes (RFC 8032).
    """

    raw: bytes

    @property
    def id(self) -> str:
        """Its fingerprint: the first 16 hexadecimal digits of the SHA-256 of its bytes."""
        return hashlib.sha256(self.raw).hexdigest()[:ID_LENGTH]

    @property
    def text(self) -> str:
        """Its bytes in base64."""
        return base64.b64encode(self.raw).decode()

    def line(self, name: str) -> str:
        """The one line that is given to others."""
        return f"{LABEL} {self.text} {name}".rstrip()

    def has_signed(self, message: bytes, signature: str) -> bool:
        """Whether a signature in base64 is this key's, over exactly this message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(_decoded(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """From base64.

        Raises:
            ValueError: it is not that of 32 bytes.
        """
        raw = _decoded(text)
        if len(raw) != _KEY_BYTES:
            raise ValueError(f"it has {len(raw)} bytes, and a public key has {_KEY_BYTES}")
        return cls(raw)


@attrs.frozen
class PrivateKey:
    """What signs. It stays with its owner."""

    _key: Ed25519PrivateKey = attrs.field(repr=False)

    @classmethod
    def new(cls) -> PrivateKey:
        """A key that nobody else has."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, content: bytes) -> PrivateKey:
        """From the text that ``pem`` gives.

        Raises:
            ValueError: it is something else; what it is, is not said: it may be a secret.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(content, password=None)
        except TypeError as error:
            raise ValueError("it has a password, which taskmgr does not ask for") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("it is no private key in PEM, or a damaged one") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("it is a private key of another kind than Ed25519")  # noqa: TRY004
        return cls(key)

    @property
    def public(self) -> PublicKey:
        """What its signatures are verified with."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def pem(self) -> bytes:
        """PKCS #8 in PEM, without a password: the file's mode keeps it."""
        from cryptography.hazmat.primitives import serialization

        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, message: bytes) -> str:
        """The signature of a message, in base64; the same each time."""
        return base64.b64encode(self._key.sign(message)).decode()


def is_key_id(text: str) -> bool:
    """Whether it could be the id of a key; safe as the name of a file then."""
    return _ID.match(text) is not None


def read_public(text: str) -> tuple[PublicKey, str]:
    """A public key as somebody gave it: the line, or PEM.

    Returns:
        The key, and the name that the line gives it; empty where it gives none.

    Raises:
        SigningKeyError: it is none; of a private key with what to give instead.
    """
    if "PRIVATE KEY" in text:
        raise SigningKeyError(
            "that is a private key, which only signs where it was made and is given to nobody; "
            "give the public one: the line that `taskmgr keys new` and `taskmgr keys list` print"
        )
    if "BEGIN PUBLIC KEY" in text:
        return _from_pem(text), ""
    lines = [each for each in text.splitlines() if each.strip() and not each.startswith("#")]
    words = lines[0].split(maxsplit=2) if len(lines) == 1 else []
    if len(words) < 2 or words[0] != LABEL:
        shown = text.strip() if len(text) <= 80 else f"{text.strip()[:80]}..."
        raise SigningKeyError(
            f"{shown!r} is no public key and no file that holds one; a public key is one line, "
            f"{LABEL} BASE64 NAME, as `taskmgr keys new` prints it"
        )
    try:
        return PublicKey.from_text(words[1]), words[2].strip() if len(words) > 2 else ""
    except ValueError as error:
        raise SigningKeyError(
            f"the public key {words[1]!r} is damaged: {error}; copy the whole line"
        ) from error


def _from_pem(text: str) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"the public key in PEM cannot be read: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningKeyError("the public key in PEM is of another kind than Ed25519")
    return PublicKey(key.public_bytes_raw())


def _decoded(text: str) -> bytes:
    """Base64 that is written as we write it: of two texts for the same bytes one is refused.

    Raises:
        ValueError: it is not.
    """
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"it is no base64: {error}") from error
    if base64.b64encode(found).decode() != text:
        raise ValueError("it is no base64 as it is written")
    return found
