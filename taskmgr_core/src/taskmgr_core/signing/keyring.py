"""The keys of this machine: those that sign here, and those that are trusted or revoked here.

A folder with two files for a key: ``<id>.json`` says what is thought of it here, ``<id>.pem``
is its private part where it was made. It is nothing of a store's: whoever can write to a
store must not be able to say whom this machine trusts.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import (
    NotFoundError,
    SigningKeyError,
    nearest,
    with_advice,
)
from taskmgr_core.signing.keys import LABEL, PrivateKey, PublicKey, is_key_id, read_public

FOLDER_MODE, PRIVATE_MODE, PUBLIC_MODE = 0o755, 0o600, 0o644
NAMES = "1 to 64 letters, digits and . _ @ + -, beginning with a letter or digit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")
_RECORD, _PRIVATE = ".json", ".pem"

KeyState = Literal["trusted", "revoked"]


@attrs.frozen
class _Record:
    """What a key's file holds."""

    name: str
    public_key: str
    state: str
    since: str
    comment: str = ""


@attrs.frozen
class KnownKey:
    """A key that this machine knows.

    Attributes:
        public: the key.
        name: what it is called here.
        state: whether its signatures count.
        since: UTC, ISO 8601: when it was trusted or revoked.
        comment: why it was revoked; may be empty.
        signs: whether its private part is here.
    """

    public: PublicKey
    name: str
    state: KeyState
    since: str
    comment: str = ""
    signs: bool = False

    @property
    def id(self) -> str:
        """Its fingerprint."""
        return self.public.id

    @property
    def line(self) -> str:
        """What is given to others."""
        return self.public.line(self.name)

    @property
    def shown(self) -> str:
        """As messages name it: ``3f2a9c... (ada)``."""
        return f"{self.id} ({self.name})"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@attrs.frozen
class Keyring:
    """The keys in one folder, read anew at each question.

    Attributes:
        folder: made with the first key.
        now: UTC, ISO 8601.
    """

    folder: Path
    now: Callable[[], str] = _now

    def find(self, key: str) -> KnownKey | None:
        """A key by its id; None when it is not known here.

        Raises:
            SigningKeyError: its file is damaged or cannot be read.
        """
        if not is_key_id(key):
            return None
        path = self._path(key, _RECORD)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise _damaged(path, str(error)) from error
        return self._known(path, text)

    def known(self) -> tuple[list[KnownKey], list[SigningKeyError]]:
        """Every key by name, and what is wrong with those that cannot be read."""
        found, faults = [], []
        for path in sorted(self.folder.glob(f"*{_RECORD}")):
            try:
                known = self.find(path.stem)
            except SigningKeyError as error:
                faults.append(error)
                continue
            if known is not None:
                found.append(known)
        return sorted(found, key=lambda each: (each.name, each.id)), faults

    def named(self, which: str) -> KnownKey:
        """A key by its id or name.

        Raises:
            NotFoundError: with the nearest one.
            SigningKeyError: its file is damaged.
        """
        known = self.find(which) or next((each for each in self._all if each.name == which), None)
        if known is None:
            names = [each.name for each in self._all]
            hint = nearest(which, names) if names else "no key is known here: `taskmgr keys new`"
            raise NotFoundError(f"no key {which!r} in {self.folder}; {hint}")
        return known

    def new(self, name: str) -> KnownKey:
        """Make a key, and trust it here.

        Raises:
            SigningKeyError: the name is no name or taken, or the folder cannot be written.
        """
        self._check_name(name, "")
        private = PrivateKey.new()
        public = private.public
        try:
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            path = self._path(public.id, _PRIVATE)
            _write(path, private.pem(), PRIVATE_MODE)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            return self._record(public, name, "trusted", "")
        except SigningKeyError:
            path.unlink()
            raise

    def trust(self, given: str, name: str = "", *, again: bool = False) -> KnownKey:
        """Trust somebody's public key from now on.

        Arguments:
            given: its line or PEM; or a file that holds one.
            name: what to call it here; by default what the line says.
            again: whether a key that was revoked here is to be trusted all the same.

        Raises:
            SigningKeyError: it is no public key, it was revoked, its name is taken.
        """
        public, said = read_public(_content(given))
        known = self.find(public.id)
        if known is not None and known.state == "revoked" and not again:
            raise SigningKeyError(
                f"the key {known.shown} was revoked here {_since(known)}; to trust it all the "
                "same, say so with --again"
            )
        name = name or (known.name if known else said) or f"key-{public.id[:8]}"
        self._check_name(name, public.id)
        if known is not None and (known.state, known.name) == ("trusted", name):
            return known
        return self._record(public, name, "trusted", "")

    def revoke(self, which: str, reason: str = "") -> KnownKey:
        """Count no signature of a key any more, whenever it was made; kept as it is if revoked.

        Raises:
            NotFoundError: no such key.
            SigningKeyError: its file is damaged, or cannot be written.
        """
        known = self.named(which)
        if known.state == "revoked":
            return known
        return self._record(known.public, known.name, "revoked", reason)

    def signing(self, chosen: str = "") -> tuple[KnownKey, PrivateKey] | None:
        """The key to sign with; None where there is no private key at all.

        Arguments:
            chosen: its id or name; may be empty where there is one only.

        Raises:
            NotFoundError: no such key.
            SigningKeyError: there are several and none is chosen; it is revoked, has no
                private part here, or its file is damaged or open to others.
        """
        if chosen:
            known = self.named(chosen)
            if not known.signs:
                raise SigningKeyError(
                    f"the key {known.shown} cannot sign here: its private part is not in "
                    f"{self.folder}; {self._choose()}"
                )
        else:
            own = self._own()
            if not own:
                return None
            usable = [each for each in own if each.state == "trusted"]
            if len(usable) > 1:
                raise SigningKeyError(
                    f"there are {len(usable)} keys to sign with and none is chosen; "
                    f"{self._choose()}"
                )
            known = (usable or own)[0]
        if known.state == "revoked":
            raise SigningKeyError(
                f"the key {known.shown} was revoked {_since(known)} and signs nothing any more; "
                "make another with `taskmgr keys new`, or remove "
                f"{self._path(known.id, _PRIVATE)} to publish unsigned"
            )
        return known, self._private(known)

    def faults(self) -> list[str]:
        """What is wrong with the files: damaged ones, private keys that others can read."""
        known, damaged = self.known()
        found = [str(each) for each in damaged]
        for each in known:
            if each.signs:
                try:
                    self._private(each)
                except SigningKeyError as error:
                    found.append(str(error))
        return found

    @property
    def _all(self) -> list[KnownKey]:
        return self.known()[0]

    def _own(self) -> list[KnownKey]:
        """The keys that sign here; each has to be known, or nobody could revoke it.

        Raises:
            SigningKeyError: one is not.
        """
        found = []
        for path in sorted(self.folder.glob(f"*{_PRIVATE}")):
            known = self.find(path.stem)
            if known is None:
                raise SigningKeyError(
                    f"{path} is no key that is known here: the file {path.stem}{_RECORD} belongs "
                    "to it; copy both from where `taskmgr keys new` made them"
                )
            found.append(known)
        return found

    def _choose(self) -> str:
        own = ", ".join(each.shown for each in self._all if each.signs and each.state == "trusted")
        return (
            f"set TASKMGR_SIGNING_KEY to one of: {own}" if own else "`taskmgr keys new` makes one"
        )

    def _private(self, known: KnownKey) -> PrivateKey:
        path = self._path(known.id, _PRIVATE)
        try:
            with path.open("rb") as opened:
                mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
                content = opened.read()
        except OSError as error:
            raise SigningKeyError(
                f"the private key {path} cannot be read: {error.strerror or error}"
            ) from error
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SigningKeyError(
                f"the private key {path} is open to others (mode {mode:04o}) and is not used; "
                f"if nobody has taken it: chmod 600 {path}. Else revoke it: "
                f"`taskmgr keys revoke {known.name}`"
            )
        try:
            private = PrivateKey.from_pem(content)
        except ValueError as error:
            raise SigningKeyError(
                f"the private key {path} cannot be used: {error}; put it back from a backup, or "
                "make another with `taskmgr keys new`"
            ) from error
        if private.public != known.public:
            raise SigningKeyError(
                f"the private key {path} is that of the key {private.public.id}, not of "
                f"{known.shown}; put the right one back, or make another with `taskmgr keys new`"
            )
        return private

    def _known(self, path: Path, text: str) -> KnownKey:
        try:
            record = documents.loads(text, _Record, str(path))
            public = PublicKey.from_text(record.public_key)
        except documents.InvalidDocumentError as error:
            raise _damaged(path, "; ".join(map(str, error.problems))) from error
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        if public.id != path.stem:
            raise _damaged(path, f"it holds the key {public.id}")
        if record.state not in ("trusted", "revoked"):
            raise _damaged(path, f"the state {record.state!r} is neither trusted nor revoked")
        state: KeyState = "trusted" if record.state == "trusted" else "revoked"
        signs = self._path(public.id, _PRIVATE).is_file()
        return KnownKey(public, record.name, state, record.since, record.comment, signs)

    def _record(self, public: PublicKey, name: str, state: KeyState, comment: str) -> KnownKey:
        record = _Record(name, public.text, state, self.now(), comment)
        path = self._path(public.id, _RECORD)
        try:
            self.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            _write(path, documents.dumps(record).encode(), PUBLIC_MODE)
        except OSError as error:
            raise self._unwritable(error) from error
        return self._known(path, documents.dumps(record))

    def _check_name(self, name: str, own: str) -> None:
        if not _NAME.match(name) or is_key_id(name):
            raise SigningKeyError(
                f"{name!r} is no name for a key; allowed are {NAMES}, and not the form of an id"
            )
        taken = next((each for each in self._all if each.name == name and each.id != own), None)
        if taken is not None:
            raise SigningKeyError(
                f"the key {taken.shown} has that name already; give this one another"
            )

    def _path(self, key: str, ending: str) -> Path:
        return self.folder / f"{key}{ending}"

    def _unwritable(self, error: OSError) -> SigningKeyError:
        said = f"the folder of keys {self.folder} cannot be written: {error.strerror or error}"
        return SigningKeyError(with_advice(said, error))


def _content(given: str) -> str:
    """What a file holds; or what was given, where it is no file's name."""
    if given.startswith(f"{LABEL} ") or "\n" in given:
        return given
    path = Path(given)
    with contextlib.suppress(OSError):  # too long a name, for instance
        if not path.is_file():
            return given
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise SigningKeyError(f"{given!r} cannot be read as a public key: {error}") from error


def _since(known: KnownKey) -> str:
    return f"on {known.since[:10]}" + (f" ({known.comment})" if known.comment else "")


def _damaged(path: Path, problem: str) -> SigningKeyError:
    return SigningKeyError(
        f"the key file {path} cannot be used: {problem}; put it back from a backup, or remove it "
        "and trust the key again, if it was not revoked"
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file; others see all of it or nothing."""
    descriptor, temporary = tempfile.mkstemp(prefix=".incoming-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as target:
            os.fchmod(target.fileno(), mode)
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
