"""What a signature covers, and what a machine makes of it."""

import base64
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import documents
from taskmgr_core.documents import InvalidDocumentError
from taskmgr_core.errors import SignatureError
from taskmgr_core.signing.keyring import Keyring, KnownKey
from taskmgr_core.signing.keys import PrivateKey
from taskmgr_core.signing.signers import Signer
from taskmgr_core.signing.statement import statement
from taskmgr_core.signing.verifying import Policy, Verifier
from taskmgr_core.specs import (
    FieldSpec,
    ModelSpec,
    Release,
    Signature,
    StoredFile,
    TaskSpec,
    TaskVersion,
)

Step = str | int

# Of RFC 8410, section 10.3.
KNOWN_KEY = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"minimum": 1.5}}}
# As one of the first signed versions was recorded: never to be changed.
EARLY = """{"task":{"name":"echo","inputs":[{"name":"text","schema":{"type":"string"}}],"outputs":[
{"name":"result","schema":{"minimum":1.5,"title":"\\u00e9"},"required":false,"default":[1,null]}],
"timeout":30.0,"models":[{"name":"w","sha256":"ab","licence":"MIT","source":""}],
"resources":{"gpu":1}},"release":{"distribution":"taskmgr-echo","version":"1.0",
"wheel":{"name":"echo.whl","digest":"sha256:1","size":1},
"lock":{"name":"taskmgr.lock","digest":"sha256:2","size":2},
"sdk":{"name":"sdk.whl","digest":"sha256:3","size":3},
"models":[{"name":"w","digest":"sha256:4","size":4}],
"python":"3.11","platform":"linux-x86_64","published_at":"2026-11-26T02:52:04+00:00"}}"""
# Every field of every model has another value than its default, so that each is looked at.
WHOLE = TaskVersion(
    task=TaskSpec(
        name="echo",
        inputs=(FieldSpec("text", SCHEMA, required=False, default={"half": "\ud800", "é": [1]}),),
        outputs=(FieldSpec("result", {"type": "string"}),),
        description="Say it again.",
        queue="vision",
        timeout=30,
        priority=7,
        memory_mb=512,
        retries=2,
        models=(ModelSpec("weights.bin", "ab" * 32, "MIT", "made up", "2026.1"),),
        resources={"gpu": 1, "licence": 2},
        network=True,
        max_batch_size=8,
        max_batch_wait_ms=2.5,
        streams=True,
        cache="by-inputs",
        max_concurrent=3,
        rate="10/s",
        load_timeout=30,
    ),
    release=Release(
        distribution="taskmgr-echo",
        version="1.0",
        wheel=StoredFile("echo.whl", "sha256:" + "1" * 64, 1),
        lock=StoredFile("taskmgr.lock", "sha256:" + "2" * 64, 2),
        sdk=StoredFile("sdk.whl", "sha256:" + "3" * 64, 3),
        models=(StoredFile("weights.bin", "sha256:" + "4" * 64, 4),),
        python="3.11",
        platform="linux-x86_64",
        published_at="2026-11-26T02:52:04+00:00",
        platforms=("linux-x86_64", "darwin-arm64"),
        vendored=(StoredFile("attrs-26.1-py3-none-any.whl", "sha256:" + "7" * 64, 70),),
    ),
    signature=Signature("0" * 16, ""),
)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """The keys of a machine, one of which signs."""
    found = Keyring(tmp_path_factory.mktemp("keys"))
    found.new("ada")
    return found


@pytest.fixture(scope="module")
def signer(keyring: Keyring) -> Signer:
    """The key of the machine."""
    found = keyring.signing()
    assert found is not None
    return Signer(*found)


@pytest.fixture(scope="module")
def signed(signer: Signer) -> TaskVersion:
    """A version as a store gives it back."""
    return recorded(documents.dumps(signer.sign(WHOLE)))


def recorded(text: str) -> TaskVersion:
    """A version from its JSON."""
    return documents.loads(text, TaskVersion)


def paths(document: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where the plain values of a document are."""
    if isinstance(document, dict):
        for name, each in document.items():
            yield from paths(each, (*at, name))
    elif isinstance(document, list):
        for index, each in enumerate(document):
            yield from paths(each, (*at, index))
    else:
        yield at


DOCUMENT = documents.parse(documents.dumps(WHOLE))
SIGNED_PLACES = [each for each in paths(DOCUMENT) if each[0] != "signature"]


def changed(document: Any, path: tuple[Step, ...], value: Any) -> Any:
    """A document with another value at one place."""
    copy = documents.parse(documents.dumps(document))
    inner = copy
    for each in path[:-1]:
        inner = inner[each]
    inner[path[-1]] = value
    return copy


def shuffled(document: Any, chance: random.Random) -> Any:
    """The same document with the keys of its objects in another order."""
    if isinstance(document, dict):
        names = list(document)
        chance.shuffle(names)
        return {name: shuffled(document[name], chance) for name in names}
    if isinstance(document, list):
        return [shuffled(each, chance) for each in document]
    return document


def other_than(value: Any, data: st.DataObject) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    kinds: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(),
        int: st.integers(),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    return data.draw(kinds[type(value)].filter(lambda each: bool(each != value)))


# what is signed


def test_sample_has_every_field_of_a_version() -> None:
    """The version of these tests has no default left in it: a field that is added is tested too."""

    def check(value: Any) -> None:
        for field in attrs.fields(type(value)):
            held = getattr(value, field.name)
            default = field.default
            if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
                default = default.factory()
            # Of the two fields of the task, one has what the other lacks.
            if not isinstance(value, FieldSpec):
                assert held != default, field.name
            for each in held if isinstance(held, tuple) else (held,):
                if attrs.has(type(each)):
                    check(each)

    check(WHOLE)


@given(st.data())
def test_changed_field_breaks_the_signature(
    keyring: Keyring, signed: TaskVersion, data: st.DataObject
) -> None:
    """Another value in any one place of a version is not what was signed."""
    path = data.draw(st.sampled_from(SIGNED_PLACES))
    value = DOCUMENT
    for each in path:
        value = value[each]
    document = changed(documents.unstructure(signed), path, other_than(value, data))
    verdict = Verifier(keyring, "require").judge(documents.structure(document, TaskVersion))
    assert verdict.state == "altered", path


@given(st.sampled_from(["models", "inputs", "outputs"]), st.booleans())
def test_list_that_is_longer_or_shorter_breaks_the_signature(
    keyring: Keyring, signed: TaskVersion, name: str, doubled: bool
) -> None:
    """An input, output or model that is left out or added is not what was signed."""
    items = getattr(signed.task, name)
    other: dict[str, Any] = {name: items * 2 if doubled else ()}
    task = attrs.evolve(signed.task, **other)
    verdict = Verifier(keyring, "require").judge(attrs.evolve(signed, task=task))
    assert verdict.state == "altered"


@given(st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(
    keyring: Keyring, signed: TaskVersion, chance: random.Random
) -> None:
    """However a store orders the keys of the objects, the statement and its signature hold."""
    other = documents.structure(shuffled(documents.unstructure(signed), chance), TaskVersion)
    assert statement(other, "key") == statement(signed, "key")
    assert Verifier(keyring, "require").judge(other).state == "trusted"


def test_version_is_signed_as_it_will_be_read(signer: Signer, signed: TaskVersion) -> None:
    """What is signed before it is recorded is verified after: 30 becomes 30.0 on the way."""
    assert (type(WHOLE.task.timeout), type(signed.task.timeout)) == (int, float)
    assert signer.sign(WHOLE).signature == signed.signature
    assert signer.has_signed(signed)
    assert not signer.has_signed(WHOLE)


def test_every_flipped_bit_of_a_record_is_found_out(keyring: Keyring, signed: TaskVersion) -> None:
    """Of each byte of the recorded JSON another one spoils the record or the signature."""
    verifier = Verifier(keyring, "require")
    text = documents.dumps(signed)
    for place, character in enumerate(text):
        flipped = text[:place] + chr(ord(character) ^ 1) + text[place + 1 :]
        try:
            version = recorded(flipped)
        except InvalidDocumentError:
            continue
        # A half of the ways to write a number or an escape says the same as the other.
        assert version == signed or verifier.judge(version).state != "trusted", flipped


def test_signature_serves_for_its_key_alone(keyring: Keyring, signed: TaskVersion) -> None:
    """A signature under the id of another trusted key is refused."""
    other = PrivateKey.new().public
    keyring.trust(other.line("grace"))
    assert signed.signature is not None
    passed_on = attrs.evolve(signed, signature=Signature(other.id, signed.signature.value))
    assert Verifier(keyring, "require").judge(passed_on).state == "altered"


def test_signature_can_be_written_in_one_way_only(keyring: Keyring, signed: TaskVersion) -> None:
    """Another base64 text of the same bytes, which others would read, is refused."""
    assert signed.signature is not None
    value = signed.signature.value
    spelled = value[:-3] + chr(ord(value[-3]) + 1) + "=="
    assert base64.b64decode(spelled) == base64.b64decode(value)
    other = attrs.evolve(signed, signature=attrs.evolve(signed.signature, value=spelled))
    assert Verifier(keyring, "require").judge(other).state == "altered"


def test_signatures_of_today_hold_tomorrow() -> None:
    """The statement of a version is what it was when this test was written, and so is its key."""
    private = PrivateKey.from_pem(KNOWN_KEY)
    assert private.public.id == "e744c0791320c328"
    assert private.sign(statement(recorded(EARLY), private.public.id)) == (
        "7DtidRkqZtFO1nluUeRq/n0gg5NIt0UrO8qcH0x8TFWhgwDRNfUrSR7bWuOx/AaM3npezfkanYTW+MDDWbTVCg=="
    )


# what a machine makes of it


def test_versions_that_were_recorded_without_a_signature_are_read() -> None:
    """Records of before there were signatures, and those that are not signed, look the same."""
    unsigned = attrs.evolve(WHOLE, signature=None)
    text = documents.dumps(unsigned)
    assert "signature" not in text
    assert recorded(text) == unsigned


@pytest.fixture
def own(tmp_path: Path) -> Keyring:
    """The keys of another machine, with a key of its own."""
    found = Keyring(tmp_path / "keys")
    found.new("own")
    return found


def version_by(keyring: Keyring) -> tuple[TaskVersion, KnownKey]:
    """A version that the only key of a machine has signed."""
    found = keyring.signing()
    assert found is not None
    return Signer(*found).sign(WHOLE), found[0]


def test_refusal_names_task_version_key_and_cure(own: Keyring, tmp_path: Path) -> None:
    """Unsigned, unknown, revoked, altered, unreadable: each says of what, by whom, what to do."""
    version, key = version_by(own)
    altered = attrs.evolve(version, task=attrs.evolve(version.task, timeout=31.0))
    with pytest.raises(SignatureError, match=r"^echo 1\.0: it is not signed; publish it again"):
        Verifier(own, "require").check(attrs.evolve(version, signature=None), "echo", "1.0")
    with pytest.raises(SignatureError, match=rf"^echo 1\.0: .*{key.id}.* not trusted.*keys trust"):
        Verifier(Keyring(tmp_path / "none"), "require").check(version, "echo", "1.0")
    with pytest.raises(SignatureError, match=rf"^echo 1\.0: .*{key.id} \(own\) has signed.*again"):
        Verifier(own, "require").check(altered, "echo", "1.0")
    own.revoke("own", "laptop stolen")
    with pytest.raises(SignatureError, match=rf"{key.id} \(own\), which was revoked.*: laptop st"):
        Verifier(own, "require").check(version, "echo", "1.0")
    (own.folder / f"{key.id}.json").write_text("{")
    with pytest.raises(SignatureError, match=rf"^echo 1\.0: .*{key.id}\.json cannot be used"):
        Verifier(own, "require").check(version, "echo", "1.0")


@pytest.mark.parametrize("asked", [("shout", "1.0"), ("echo", "2.0")])
def test_version_in_the_place_of_another_is_refused(own: Keyring, asked: tuple[str, str]) -> None:
    """A record that is signed, but not as the task or version that was asked for, is refused."""
    version, _ = version_by(own)
    verifier = Verifier(own, "require")
    verifier.check(version, "echo", "1.0")
    verifier.check(version, "echo")
    with pytest.raises(SignatureError, match=f"^{asked[0]} {asked[1]}: .* changed it in the store"):
        verifier.check(version, *asked)


def test_key_id_that_is_a_path_is_unknown(own: Keyring, tmp_path: Path) -> None:
    """An id that leads out of the folder of keys is looked up nowhere."""
    version, key = version_by(own)
    elsewhere = Keyring(tmp_path / "other" / "keys")
    assert version.signature is not None
    outside = Signature(f"../../keys/{key.id}", version.signature.value)
    assert Verifier(elsewhere, "require").judge(version).state == "unknown"
    outsider = attrs.evolve(version, signature=outside)
    assert Verifier(elsewhere, "require").judge(outsider).state == "unknown"


def test_warning_is_given_once_for_each_version(
    own: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    """Under ``warn`` a version is let through, with one line in the log however often it is met."""
    verifier = Verifier(own, "warn")
    unsigned = attrs.evolve(WHOLE, signature=None)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            verifier.check(unsigned, "echo", "1.0")
        verifier.check(version_by(own)[0], "echo", "1.0")
    (told,) = caplog.messages
    assert told.startswith("echo 1.0: it is not signed; publish it again")


@pytest.mark.parametrize("policy", ["off", "warn"])
def test_nothing_is_refused_where_it_is_not_required(own: Keyring, policy: Policy) -> None:
    """Neither ``off`` nor ``warn`` keeps a version from being run."""
    Verifier(own, policy).check(attrs.evolve(WHOLE, signature=None), "echo", "1.0")
