"""What this machine makes of the signature of a task version, and what follows from it."""

from __future__ import annotations

import logging
from typing import Literal

import attrs

from taskmgr_core.errors import SignatureError, SigningKeyError
from taskmgr_core.signing.keyring import Keyring, KnownKey
from taskmgr_core.signing.statement import statement
from taskmgr_core.specs import TaskVersion

Policy = Literal["off", "warn", "require"]
OFF: Policy = "off"
WARN: Policy = "warn"
REQUIRE: Policy = "require"

Standing = Literal["trusted", "unsigned", "unknown", "revoked", "altered", "unreadable"]

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class Verdict:
    """What a signature is worth here.

    Attributes:
        state: ``trusted``; ``unsigned``; by a key that is ``unknown`` or ``revoked`` here; of
            other content than is recorded (``altered``); or by a key whose file here is
            ``unreadable``.
        key: the id that the signature names; empty where there is none.
        name: what the key is called here; empty where it is not known.
        problem: what is wrong; empty for ``trusted``.
        advice: what to do about it.
    """

    state: Standing
    key: str = ""
    name: str = ""
    problem: str = ""
    advice: str = ""

    @property
    def shown(self) -> str:
        """Problem and advice in one."""
        return f"{self.problem}; {self.advice}"


@attrs.frozen
class Verifier:
    """Verifies task versions before anything of them is installed. Safe to use from many threads.

    Attributes:
        keyring: the keys that are trusted and revoked here, read at each question: a key that
            is revoked counts no more at once.
        policy: what becomes of a version that nobody vouches for.
    """

    keyring: Keyring
    policy: Policy
    _warned: set[tuple[str, str, str]] = attrs.field(factory=set, init=False, repr=False, eq=False)

    def check(self, found: TaskVersion, task: str, version: str | None = None) -> None:
        """Refuse a version, or warn of it once, as the policy says.

        Arguments:
            found: as a store gave it.
            task: the task that was asked for.
            version: the version that was asked for; None for whichever is current.

        Raises:
            SignatureError: it is refused; the message names task, version, key and what to do.
        """
        if self.policy == OFF:
            return
        verdict = self.judge(found, task, version)
        if verdict.state == "trusted":
            return
        said = f"{task} {version or found.version}: {verdict.shown}"
        if self.policy == REQUIRE:
            raise SignatureError(f"{said} (TASKMGR_SIGNATURES is require)")
        seen = (task, version or found.version, verdict.state)
        if seen not in self._warned:
            self._warned.add(seen)
            _LOGGER.warning("%s (TASKMGR_SIGNATURES is warn: it is run all the same)", said)

    def judge(
        self, found: TaskVersion, task: str | None = None, version: str | None = None
    ) -> Verdict:
        """What the signature of a version is worth here, whatever the policy.

        Arguments:
            found: as a store gave it.
            task: the task that was asked for; None where nobody asked for one.
            version: the version that was asked for, or None.
        """
        signature = found.signature
        if signature is None:
            return Verdict(
                "unsigned",
                problem="it is not signed",
                advice="publish it again with a key that is trusted here "
                "(`taskmgr keys new` makes one)",
            )
        key = signature.key
        try:
            known = self.keyring.find(key)
        except SigningKeyError as error:
            advice = "until then nothing that this key signed is trusted"
            return Verdict(
                "unreadable", key, problem=f"signed with the key {key}: {error}", advice=advice
            )
        if known is None:
            return Verdict(
                "unknown",
                key,
                problem=f"it is signed with the key {key[:80]!r}, which is not trusted here",
                advice="get the public key from its owner, not from the store, and "
                "`taskmgr keys trust` it",
            )
        if known.state == "revoked":
            return _revoked(known)
        # A record that is right by itself, in the place of another one, is wrong.
        named_so = task in (None, found.name) and version in (None, found.version)
        if not named_so or not known.public.has_signed(statement(found, key), signature.value):
            return Verdict(
                "altered",
                key,
                known.name,
                f"what is recorded of it is not what the key {known.shown} has signed: somebody "
                "has changed it in the store",
                "find out who can write there, and publish it again with that key",
            )
        return Verdict("trusted", key, known.name)


def _revoked(known: KnownKey) -> Verdict:
    why = f": {known.comment}" if known.comment else ""
    return Verdict(
        "revoked",
        known.id,
        known.name,
        f"it is signed with the key {known.shown}, which was revoked here {known.since}{why}",
        "publish it again with another key",
    )
