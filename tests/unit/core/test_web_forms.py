"""The web page's pure parts: forms from schemas, cookies in the place of tokens, lineage."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.specs import FieldSpec, FieldValue
from taskmgr_core.web.forms import fields_of_task
from taskmgr_core.web.routes import _own
from taskmgr_core.web.sessions import COOKIE, login_cookie, may_speak, token_of
from taskmgr_core.web.views import found_in
from taskmgr_plugins import Array, File, Image
from taskmgr_plugins.schemas import schema_of

Headers = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (schema_of(Image), "picture"),
        (schema_of(File), "file"),
        (schema_of(Array), "json"),
        ({"type": "integer"}, "integer"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "string"}, "text"),
        ({"enum": ["a", "b"]}, "choice"),
        ({"type": ["string", "null"]}, "json"),
        ({"type": "array", "items": {"type": "string"}}, "json"),
        ({}, "json"),
    ],
)
def test_each_schema_has_its_kind_of_field(schema: dict[str, object], kind: str) -> None:
    """What cannot be filled in otherwise is asked for as JSON."""
    (field,) = fields_of_task([FieldSpec("x", schema)])
    assert (field.name, field.kind) == ("x", kind)


def test_default_and_choices_are_shown() -> None:
    """A default stands as one would type it, a choice as JSON."""
    text, number, choice = fields_of_task(
        [
            FieldSpec("text", {"type": "string"}, required=False, default="hi"),
            FieldSpec("number", {"type": "number", "minimum": 0}, required=False, default=0.5),
            FieldSpec("choice", {"enum": ["a", 1]}, required=False, default="a"),
        ]
    )
    assert (text.default, text.required) == ("hi", False)
    assert (number.default, number.least) == ("0.5", 0)
    assert (choice.choices, choice.default) == (('"a"', "1"), '"a"')


def test_cookie_stands_for_the_token() -> None:
    """The token of the cookie is found among others; a token in a header is not doubled."""
    cookie = (b"cookie", f"a=b; {COOKIE}=tmg_secret; c=d".encode())
    assert token_of([cookie]) == "tmg_secret"
    assert token_of([(b"authorization", b"Bearer other"), cookie]) == ""
    assert token_of([(b"cookie", b"a=b")]) == ""


@given(st.binary(max_size=60))
def test_no_cookie_smuggles_a_header_in(text: bytes) -> None:
    """Whatever a cookie holds, the token is one printable word."""
    found = token_of([(b"cookie", f"{COOKIE}=".encode() + text)])
    assert found.isprintable()
    assert not set(found) & set(" \r\n\0")


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ([(b"sec-fetch-site", b"same-origin")], True),
        ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://h"), (b"host", b"h")], False),
        ([(b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"none")], False),
        ([(b"origin", b"http://h:1"), (b"host", b"h:1")], True),
        ([(b"origin", b"http://h:2"), (b"host", b"h:1")], False),
        ([(b"origin", b"null"), (b"host", b"h:1")], False),
        ([(b"host", b"h:1")], False),
    ],
)
def test_other_sites_do_not_act_with_the_cookie(headers: Headers, allowed: bool) -> None:
    """What changes something has to come from a page of ours; looking may come from anywhere."""
    assert may_speak("POST", headers) is allowed
    assert may_speak("GET", headers)


def test_cookie_is_for_this_site_alone() -> None:
    """No script reads it, no other site sends it, and over TLS it goes no other way."""
    given_over_tls = login_cookie("tmg_a", secure=True)
    assert given_over_tls.startswith(f"{COOKIE}=tmg_a; ")
    assert {"HttpOnly", "SameSite=Strict", "Secure"} <= set(given_over_tls.split("; "))
    assert "Max-Age=0" in login_cookie("", secure=False)


@pytest.mark.parametrize(
    ("to", "goes"),
    [
        ("/runs?status=failed", "/runs?status=failed"),
        ("//evil.example", "/runs"),
        ("/\\evil.example", "/runs"),
        ("https://evil.example", "/runs"),
        ("/a\r\nSet-Cookie: x", "/runs"),
        ("", "/runs"),
    ],
)
def test_login_leads_to_own_pages_only(to: str, goes: str) -> None:
    """An address of somebody else's is not gone to after a login."""
    assert _own(to) == goes


def test_equal_values_are_one() -> None:
    """A value on several ports is shown once, with its document and all its ports."""
    first = FieldValue("image", "sha256:a", 1, "Image", "", {"$artifact": "sha256:a"})
    again = attrs.evolve(first, port="input_001_image", document=None, source="image")
    other = FieldValue("text", "sha256:b", 1, "string", "", "hi")
    found = found_in([again, other, first])
    assert [(each.ports, each.value.port, each.picture) for each in found] == [
        (("input_001_image", "image"), "image", "sha256:a"),
        (("text",), "text", ""),
    ]
