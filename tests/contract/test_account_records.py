"""Tokens and workspaces as every metadata store keeps them, and who they let in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest
from samples import NOW

from taskmgr_core.accounts import tokens
from taskmgr_core.accounts.administration import DAY, Administration
from taskmgr_core.accounts.auditing import MOST_DENIALS, AuditLog
from taskmgr_core.accounts.authenticating import REMEMBER_SECONDS, StoredAccounts
from taskmgr_core.accounts.interface import LOCAL, Asked, Principal
from taskmgr_core.errors import (
    AuthenticationError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
)
from taskmgr_core.specs.accounts import ALL_WORKSPACES, AuditEntry, Permission, Role, Workspace
from taskmgr_core.stores.accounts import AccountStore, entry_from
from taskmgr_core.stores.metadata import MetadataStore

SUBMIT = Asked("run.submit", "words", "10.0.0.7")


@attrs.define
class Office:
    """Accounts whose clocks stand still until they are set, on a real store."""

    metadata: MetadataStore
    now: float = NOW
    monotonic: float = 100.0
    log: AuditLog = attrs.field(init=False)
    accounts: StoredAccounts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.log = AuditLog(self.metadata.accounts, lambda: self.monotonic)
        self.accounts = self.process()

    def process(self) -> StoredAccounts:
        """Accounts as another process has them."""
        store = self.metadata.accounts
        return StoredAccounts(store, self.log, lambda: self.now, lambda: self.monotonic)

    def admin(self, by: Principal = LOCAL) -> Administration:
        """What somebody administers."""
        return Administration(self.metadata.accounts, self.log, by, "test", lambda: self.now)

    def principal(self, role: Role, workspace: str = "default") -> Principal:
        """Somebody with a new token, authenticated."""
        return self.accounts.authenticate(self.admin().new_token("ada", role, workspace).secret)

    def entries(self) -> list[AuditEntry]:
        """The audit log, the oldest first."""
        assert self.log.flush()
        return [entry_from(each) for each in self.metadata.accounts.audit_after(0, 1000)]

    def denied(self) -> list[tuple[str, str]]:
        """Who was denied what, and why."""
        return [(e.who, e.note) for e in self.entries() if e.outcome == "denied"]


@pytest.fixture
def office(metadata: MetadataStore) -> Iterator[Office]:
    """Accounts on an empty store."""
    opened = Office(metadata)
    opened.metadata.accounts.add_workspace(Workspace("red", NOW, "test"))
    yield opened
    opened.log.close()


# who a token is for


def test_token_says_who_somebody_is(office: Office) -> None:
    """Its name, role, workspace and what is left of the role."""
    made = office.admin().new_token("ci", Role.ADMIN, "red", DAY, [Permission.READ, Permission.RUN])
    found = office.accounts.authenticate(made.secret)
    left = frozenset({Permission.READ, Permission.RUN})
    assert found == Principal("ci", Role.ADMIN, "red", made.token.id, left)


def test_secret_is_recorded_nowhere(office: Office) -> None:
    """Neither in the token's record nor in the audit log is any part of it."""
    made = office.admin().new_token("ci", Role.VIEWER)
    office.accounts.record(LOCAL, Asked("run.submit", made.secret, made.secret), note=made.secret)
    kept = [office.metadata.accounts.token_by_hash(made.token.hash), *office.entries()]
    shown = repr([attrs.asdict(each) for each in kept if each])
    assert made.token.id in shown
    assert made.secret[4:20] not in shown


def test_all_that_opens_nothing_is_told_the_same(office: Office) -> None:
    """Unknown, malformed, revoked, expired: only the audit log says which it was."""
    revoked = office.admin().new_token("ada", Role.VIEWER)
    office.admin().revoke_token(revoked.token.id)
    expired = office.admin().new_token("bob", Role.VIEWER, seconds=10)
    office.now += 10
    with pytest.raises(AuthenticationError, match="no token: send one"):
        office.accounts.authenticate("", "10.0.0.7")
    shown = [tokens.new_secret(), "tmg_x", revoked.secret, expired.secret]
    said = set()
    for each in shown:
        with pytest.raises(AuthenticationError) as caught:
            office.accounts.authenticate(each, "10.0.0.7")
        said.add(str(caught.value))
    assert len(said) == 1
    reasons = [("", "no token"), ("", "unknown"), ("", "malformed")]
    assert office.denied() == [*reasons, ("ada", "revoked"), ("bob", "expired")]
    assert {each.where for each in office.entries() if each.outcome == "denied"} == {"10.0.0.7"}


def test_token_expires_while_it_is_remembered(office: Office) -> None:
    """To the second, although the store is not asked again."""
    made = office.admin().new_token("ada", Role.VIEWER, seconds=1)
    office.now += 0.9
    assert office.accounts.authenticate(made.secret).name == "ada"
    office.now += 0.2
    with pytest.raises(AuthenticationError):
        office.accounts.authenticate(made.secret)


def test_revoked_elsewhere_it_opens_nothing_after_seconds(office: Office) -> None:
    """A process that has seen it believes it for as long as is documented, and no longer."""
    made = office.admin().new_token("ada", Role.VIEWER)
    office.accounts.authenticate(made.secret)
    office.admin().revoke_token(made.token.id)
    office.monotonic += REMEMBER_SECONDS - 0.1
    assert office.accounts.authenticate(made.secret).name == "ada"
    with pytest.raises(AuthenticationError):
        office.process().authenticate(made.secret)
    office.monotonic += 0.2
    with pytest.raises(AuthenticationError):
        office.accounts.authenticate(made.secret)


def test_store_is_asked_once_for_many_requests(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a token that is known as well as of one that is not."""
    known = office.admin().new_token("ada", Role.VIEWER).secret
    asked: list[str] = []
    store: Any = type(office.metadata.accounts)
    find = store.token_by_hash

    def counted(self: AccountStore, hash_: str) -> object:
        asked.append(hash_)
        return find(self, hash_)

    monkeypatch.setattr(store, "token_by_hash", counted)
    for _ in range(20):
        office.accounts.authenticate(known)
    unknown = tokens.new_secret()
    for _ in range(20):
        with pytest.raises(AuthenticationError):
            office.accounts.authenticate(unknown)
    assert asked == [tokens.hash_of(known), tokens.hash_of(unknown)]


def test_last_use_is_recorded_once_an_hour(office: Office) -> None:
    """Not with each request, and by a process that was started anew neither."""
    made = office.admin().new_token("ada", Role.VIEWER)
    for minutes in (0, 1, 59, 60):
        office.now = NOW + minutes * 60
        office.process().authenticate(made.secret)
        (found,) = office.admin().tokens()
        assert found.last_used_at == NOW + (minutes // 60) * 3600


def test_who_tries_again_and_again_does_not_fill_the_log(office: Office) -> None:
    """What is alike, from one place, is counted; a minute later it says how many there were."""
    for _ in range(MOST_DENIALS + 30):
        with pytest.raises(AuthenticationError):
            office.accounts.authenticate(tokens.new_secret(), "10.0.0.7")
    with pytest.raises(AuthenticationError):
        office.accounts.authenticate(tokens.new_secret(), "10.0.0.8")
    assert len(office.denied()) == MOST_DENIALS + 1
    office.monotonic += 61
    with pytest.raises(AuthenticationError):
        office.accounts.authenticate(tokens.new_secret(), "10.0.0.7")
    assert office.denied()[-1] == ("", "unknown (30 more like it before)")


# what they may


def test_denials_are_written_down_with_what_was_asked_for(office: Office) -> None:
    """Too low a role, another workspace; the message does not say whether that is there."""
    viewer = office.principal(Role.VIEWER, "red")
    with pytest.raises(PermissionDeniedError, match=r"viewer in 'red', and run needs operator"):
        office.accounts.authorize(viewer, Permission.RUN, SUBMIT)
    messages = []
    for other in ("default", "absent"):
        with pytest.raises(PermissionDeniedError) as caught:
            office.accounts.authorize(viewer, Permission.READ, SUBMIT, other)
        messages.append(str(caught.value).replace(other, "X"))
    assert messages[0] == messages[1]
    last = [each for each in office.entries() if each.outcome == "denied"]
    assert [(e.action, e.target, e.where, e.workspace) for e in last] == [
        ("run.submit", "words", "10.0.0.7", "red")
    ] * 3
    assert last[1].note == "not their workspace: default"


def test_granted_principal_is_in_the_workspace_that_was_asked_for(office: Office) -> None:
    """Who is of the platform works in the default one, unless another is named."""
    platform = office.principal(Role.OPERATOR, ALL_WORKSPACES)
    for named, entered in ((None, "default"), ("red", "red")):
        found = office.accounts.authorize(platform, Permission.RUN, SUBMIT, named)
        assert (found.workspace, found.name) == (entered, "ada")
    assert office.denied() == []


# administration


def test_admin_of_a_workspace_administers_that_one_alone(office: Office) -> None:
    """Tokens of others can be neither made, seen nor revoked; nor can workspaces."""
    others = office.admin().new_token("eve", Role.VIEWER)
    admin = office.admin(office.principal(Role.ADMIN, "red"))
    made = admin.new_token("bob", Role.OPERATOR, "red")
    assert {each.workspace for each in admin.tokens()} == {"red"}
    for workspace_ in ("default", ALL_WORKSPACES, "absent"):
        with pytest.raises(PermissionDeniedError):
            admin.new_token("bob", Role.VIEWER, workspace_)
    for token in (others.token.id, others.secret):
        with pytest.raises(NotFoundError):
            admin.revoke_token(token)
    for change in (
        lambda: admin.new_workspace("blue", lambda _: None),
        lambda: admin.remove_workspace("red", lambda: None),
        lambda: admin.forget_audit(0),
    ):
        with pytest.raises(PermissionDeniedError):
            change()
    assert admin.revoke_token(made.secret).id == made.token.id
    assert len(office.denied()) == 6


def test_others_administer_nothing(office: Office) -> None:
    """They cannot even see which tokens there are."""
    for role in (Role.VIEWER, Role.OPERATOR, Role.PUBLISHER):
        nobody = office.admin(office.principal(role, "red"))
        with pytest.raises(PermissionDeniedError):
            nobody.tokens()
        with pytest.raises(PermissionDeniedError):
            nobody.new_token("bob", Role.VIEWER, "red")


def test_narrowed_token_makes_none_that_may_more(office: Office) -> None:
    """An admin's whose token only administers makes no token that reads."""
    only = [Permission.ADMINISTER]
    secret = office.admin().new_token("ada", Role.ADMIN, "red", None, only).secret
    admin = office.admin(office.accounts.authenticate(secret))
    with pytest.raises(PermissionDeniedError, match="has not read"):
        admin.new_token("bob", Role.VIEWER, "red")
    assert admin.new_token("bob", Role.ADMIN, "red", None, only)


REFUSED: Sequence[tuple[Callable[[Administration], object], str]] = (
    (lambda admin: admin.new_token("", Role.VIEWER), "name"),
    (lambda admin: admin.new_token("a\nb", Role.VIEWER), "name"),
    (lambda admin: admin.new_token("a", Role.VIEWER, seconds=0), "0 s"),
    (lambda admin: admin.new_token("a", Role.VIEWER, permissions=[]), "at least one"),
    (
        lambda admin: admin.new_token("a", Role.VIEWER, permissions=[Permission.RUN]),
        "viewer has no permission run",
    ),
    (lambda admin: admin.new_token("a", Role.VIEWER, "redd"), "no workspace 'redd'; .*red"),
    (lambda admin: admin.revoke_token("absent"), "no token 'absent'"),
    (lambda admin: admin.new_workspace("red", lambda _: None), "'red' already"),
    (lambda admin: admin.new_workspace("default", lambda _: None), "'default' already"),
    (lambda admin: admin.new_workspace("a/b", lambda _: None), "small letters"),
    (lambda admin: admin.remove_workspace("redd", lambda: None), "no workspace 'redd'; .*red"),
    (lambda admin: admin.remove_workspace("default", lambda: None), "no workspace 'default'"),
)


def test_what_cannot_be_is_refused_and_changes_nothing(office: Office) -> None:
    """With what is allowed; no token is made, and none is written down."""
    for make, said in REFUSED:
        with pytest.raises((InvalidValueError, NotFoundError, ConflictError), match=said):
            make(office.admin())
    assert office.admin().tokens() == []
    assert [each.name for each in office.admin().workspaces()] == ["red"]
    assert office.entries() == []


def test_removing_a_workspace_is_done_again_when_it_failed(office: Office) -> None:
    """Its tokens open nothing at once, nobody gets one meanwhile, and the rest is repeated."""
    secret = office.admin().new_token("ada", Role.VIEWER, "red").secret
    office.admin().new_token("bob", Role.VIEWER)

    def fail() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        office.admin().remove_workspace("red", fail)
    with pytest.raises(AuthenticationError):
        office.accounts.authenticate(secret)
    with pytest.raises(NotFoundError):
        office.admin().new_token("eve", Role.VIEWER, "red")
    (left,) = office.admin().workspaces()
    assert left.removing
    assert office.admin().remove_workspace("red", lambda: None) == 0
    assert office.admin().workspaces() == []
    assert {each.name: each.revoked_at is None for each in office.admin().tokens()} == {
        "ada": False,
        "bob": True,
    }
