"""Signing what is published."""

from __future__ import annotations

import attrs

from taskmgr_core.errors import SigningKeyError
from taskmgr_core.signing.keyring import Keyring, KnownKey
from taskmgr_core.signing.keys import PrivateKey
from taskmgr_core.signing.statement import statement
from taskmgr_core.signing.verifying import REQUIRE, Policy, Standing, Verifier
from taskmgr_core.specs import Signature, TaskVersion


@attrs.frozen
class Signer:
    """A key that signs.

    Attributes:
        key: the key, as it is known here.
    """

    key: KnownKey
    _private: PrivateKey = attrs.field(repr=False)

    def sign(self, version: TaskVersion) -> TaskVersion:
        """The version with this key's signature in place of any other."""
        value = self._private.sign(statement(version, self.key.id))
        return attrs.evolve(version, signature=Signature(self.key.id, value))

    def has_signed(self, version: TaskVersion) -> bool:
        """Whether a version has this key's signature, and is what was signed."""
        return version == self.sign(version)


@attrs.frozen
class Signing:
    """Says what a publication is signed with.

    Attributes:
        keyring: the keys.
        policy: what workers of this machine ask for.
        chosen: the id or name of the key; may be empty where there is one only.
    """

    keyring: Keyring
    policy: Policy
    chosen: str = ""

    def signer(self) -> Signer | None:
        """What signs; None where there is no key, and none is required.

        Raises:
            NotFoundError, SigningKeyError: with what to do.
        """
        found = self.keyring.signing(self.chosen)
        if found is not None:
            return Signer(*found)
        if self.policy == REQUIRE:
            raise SigningKeyError(
                "TASKMGR_SIGNATURES is require, and there is no key to sign with in "
                f"{self.keyring.folder}: `taskmgr keys new` makes one; or set "
                "TASKMGR_KEYS_FOLDER to the folder that has yours"
            )
        return None

    def standing(self, version: TaskVersion) -> Standing:
        """What the signature of a version that is recorded already is worth here."""
        return Verifier(self.keyring, self.policy).judge(version).state
