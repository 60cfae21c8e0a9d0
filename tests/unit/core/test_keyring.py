"""The keys of a machine: made, trusted, revoked, and what is refused of them."""

import stat
from pathlib import Path

import attrs
import pytest

from taskmgr_core.errors import NotFoundError, SigningKeyError
from taskmgr_core.signing.keyring import Keyring
from taskmgr_core.signing.keys import PrivateKey, PublicKey
from taskmgr_core.signing.signers import Signing

LINE = PublicKey(bytes(range(32))).line("grace")
# Of RFC 8410, section 10, as OpenSSL writes them.
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
PRIVATE_PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """No keys yet."""
    return Keyring(tmp_path / "keys", now=lambda: "2026-11-26T00:00:00+00:00")


# keys of one's own


def test_new_key_signs_and_is_trusted_here(keyring: Keyring) -> None:
    """A key that is made is the one to sign with, and its owner's machine trusts it."""
    assert keyring.signing() is None
    made = keyring.new("ada")
    found = keyring.signing()
    assert found is not None
    assert found[0] == made == keyring.named("ada") == keyring.named(made.id)
    assert (made.state, made.signs) == ("trusted", True)
    assert found[1].public == made.public


def test_private_key_is_for_its_owner_alone(keyring: Keyring) -> None:
    """The file is PKCS 8 in PEM, which others know, and nobody but its owner may read it."""
    made = keyring.new("ada")
    path = keyring.folder / f"{made.id}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    path.chmod(0o640)
    with pytest.raises(SigningKeyError, match=r"open to others \(mode 0640\).*chmod 600"):
        keyring.signing()
    assert len(keyring.faults()) == 1


def test_one_of_several_keys_has_to_be_chosen(keyring: Keyring) -> None:
    """Two keys and none chosen is refused with both; an id, a name, or revoking one decides."""
    ada, grace = keyring.new("ada"), keyring.new("grace")
    with pytest.raises(SigningKeyError, match=rf"2 keys.*SIGNING_KEY.*\(ada\), {grace.id} \(grace"):
        keyring.signing()
    for chosen, wanted in (("grace", grace), (ada.id, ada)):
        found = keyring.signing(chosen)
        assert found is not None
        assert found[0] == wanted
    keyring.revoke("ada")
    found = keyring.signing()
    assert found is not None
    assert found[0] == grace


def test_key_that_cannot_sign_is_refused(keyring: Keyring) -> None:
    """Chosen may be neither an unknown key, nor somebody else's, nor a revoked one."""
    keyring.new("ada")
    keyring.trust(LINE)
    with pytest.raises(NotFoundError, match=r"no key 'adda' .*did you mean 'ada'"):
        keyring.signing("adda")
    with pytest.raises(SigningKeyError, match=r"\(grace\) cannot sign here.*\(ada\)"):
        keyring.signing("grace")
    keyring.revoke("ada", "lost")
    for chosen in ("ada", ""):
        with pytest.raises(SigningKeyError, match=r"\(ada\) was revoked .*\(lost\).*keys new"):
            keyring.signing(chosen)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no private key in PEM"), (PRIVATE_PEM, "is that of the key")],
    ids=["empty", "another"],
)
def test_damaged_private_key_is_refused(keyring: Keyring, content: bytes, said: str) -> None:
    """A private key that is none, or another one, signs nothing, and its file is named."""
    made = keyring.new("ada")
    path = keyring.folder / f"{made.id}.pem"
    path.write_bytes(content)
    with pytest.raises(SigningKeyError, match=f"{path} .*{said}"):
        keyring.signing()


def test_private_key_that_nobody_could_revoke_is_refused(keyring: Keyring) -> None:
    """A private key without the file that says what is thought of it does not sign."""
    made = keyring.new("ada")
    (keyring.folder / f"{made.id}.json").unlink()
    with pytest.raises(SigningKeyError, match=rf"{made.id}\.json belongs to it"):
        keyring.signing()


def test_required_signature_needs_a_key(keyring: Keyring) -> None:
    """Without a key ``off`` and ``warn`` publish unsigned; ``require`` says how to make one."""
    assert Signing(keyring, "off").signer() is None
    assert Signing(keyring, "warn").signer() is None
    with pytest.raises(SigningKeyError, match="`taskmgr keys new` makes one"):
        Signing(keyring, "require").signer()


# keys of others


def test_public_key_is_trusted_as_line_and_as_file(keyring: Keyring, tmp_path: Path) -> None:
    """The line, a file with it, and PEM as other programs write it are the same key."""
    trusted = keyring.trust(LINE)
    assert (trusted.name, trusted.state, trusted.signs) == ("grace", "trusted", False)
    assert trusted.line == LINE
    (tmp_path / "grace.pub").write_text(f"# grace's\n\n{LINE}\n")
    assert keyring.trust(str(tmp_path / "grace.pub")) == trusted
    (tmp_path / "public.pem").write_text(PUBLIC_PEM)
    other = keyring.trust(str(tmp_path / "public.pem"))
    assert other.name == f"key-{other.id[:8]}"
    assert PrivateKey.from_pem(PRIVATE_PEM).public == other.public


def test_private_key_is_not_trusted(keyring: Keyring) -> None:
    """A private key given in place of a public one is refused, and not shown in the message."""
    made = keyring.new("ada")
    path = keyring.folder / f"{made.id}.pem"
    for given in (str(path), path.read_text()):
        with pytest.raises(
            SigningKeyError, match=r"that is a private key.*give the public"
        ) as told:
            keyring.trust(given)
        assert path.read_text().splitlines()[1] not in str(told.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nowhere.pub", "'nowhere.pub' is no public key and no file"),
        ("ssh-ed25519 AAAA ada", "is no public key"),
        ("taskmgr-ed25519", "is no public key"),
        (f"{LINE}\n{LINE}", "is no public key"),
        (LINE.replace("=", ""), "is damaged: it is no base64"),
        ("taskmgr-ed25519 YWJj ada", "is damaged: it has 3 bytes, and a public key has 32"),
        ("-----BEGIN PUBLIC KEY-----\n", "in PEM cannot be read"),
    ],
)
def test_what_is_no_public_key_is_refused(keyring: Keyring, given: str, said: str) -> None:
    """A text that holds no public key is shown with what would be one; nothing is kept."""
    with pytest.raises(SigningKeyError, match=said):
        keyring.trust(given)
    assert keyring.known() == ([], [])


def test_names_are_unique_and_plain(keyring: Keyring) -> None:
    """A name that another key has, or that is none, is refused; trusting again may rename."""
    keyring.new("ada")
    for name in ("ada", "", "../ada", "-ada", "a b", "0123456789abcdef", "x" * 65):
        with pytest.raises(SigningKeyError, match=r"has that name already|is no name for a key"):
            keyring.new(name)
    with pytest.raises(SigningKeyError, match=r"\(ada\) has that name already"):
        keyring.trust(LINE, "ada")
    assert keyring.trust(LINE).name == "grace"
    assert keyring.trust(LINE, "hopper").name == "hopper"
    assert keyring.trust(LINE).name == "hopper"


# revoking


def test_revoked_key_is_trusted_again_on_purpose_only(keyring: Keyring) -> None:
    """Trusting a revoked key asks for ``--again``; until then it stays revoked, with the reason."""
    keyring.trust(LINE)
    revoked = keyring.revoke("grace", "laptop stolen")
    assert (revoked.state, revoked.comment) == ("revoked", "laptop stolen")
    with pytest.raises(SigningKeyError, match=r"revoked here .*\(laptop stolen\).*--again"):
        keyring.trust(LINE)
    later = attrs.evolve(keyring, now=lambda: "2027-01-01T00:00:00+00:00")
    assert later.revoke("grace", "once more") == revoked == keyring.named("grace")
    assert keyring.trust(LINE, again=True).state == "trusted"


def test_unknown_key_cannot_be_revoked(keyring: Keyring) -> None:
    """An unknown key is answered with the nearest name, or with how to make one."""
    with pytest.raises(NotFoundError, match="no key is known here: `taskmgr keys new`"):
        keyring.revoke("grace")
    keyring.trust(LINE)
    with pytest.raises(NotFoundError, match=r"no key 'grase' .*did you mean 'grace'"):
        keyring.revoke("grase")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"trusted"', '"perhaps"', "'perhaps' is neither trusted nor revoked"),
        ('"name":', '"nome":', "required field missing"),
        ("}", "", "not JSON"),
        ('"public_key":"', '"public_key":"A', "no base64"),
    ],
)
def test_damaged_key_file_is_named_and_hides_no_other(
    keyring: Keyring, old: str, new: str, said: str
) -> None:
    """A file that cannot be read stops what needs its key, and the list has all others."""
    damaged, ada = keyring.trust(LINE), keyring.new("ada")
    path = keyring.folder / f"{damaged.id}.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(SigningKeyError, match=f"{path} cannot be used:.*{said}"):
        keyring.find(damaged.id)
    known, faults = keyring.known()
    assert known == [ada]
    assert len(faults) == len(keyring.faults()) == 1


def test_file_under_another_id_is_damaged(keyring: Keyring) -> None:
    """A key's file that was renamed does not make another key trusted."""
    trusted = keyring.trust(LINE)
    other = PrivateKey.new().public
    path = keyring.folder / f"{trusted.id}.json"
    path.rename(path.with_stem(other.id))
    with pytest.raises(SigningKeyError, match=f"it holds the key {trusted.id}"):
        keyring.find(other.id)
