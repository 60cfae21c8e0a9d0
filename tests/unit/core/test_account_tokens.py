"""The secret of an API token, and what may be written down of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.accounts import tokens
from taskmgr_core.accounts.entries import MOST_CHARACTERS, without_tokens

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET = tokens.new_secret()


def test_new_tokens_are_whole_and_all_different() -> None:
    """Each has the form that scanners look for, a right checksum, and is made only once."""
    made = [tokens.new_secret() for _ in range(500)]
    assert len(set(made)) == 500
    assert all(tokens.is_whole(each) and re.fullmatch(tokens.PATTERN, each) for each in made)


def test_token_has_256_bits_of_the_systems_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bits that are asked for are in it, the largest number as well as none."""
    monkeypatch.setattr("secrets.randbits", lambda bits: 2**bits - 1)
    largest = tokens.new_secret()
    monkeypatch.setattr("secrets.randbits", lambda _: 0)
    assert tokens.is_whole(largest)
    assert tokens.is_whole(tokens.new_secret())
    body = largest[len(tokens.PREFIX) : -6]
    number = 0
    for character in body:
        number = number * 62 + DIGITS.index(character)
    assert number == 2**256 - 1


@given(st.integers(len(tokens.PREFIX), len(SECRET) - 1), st.sampled_from(DIGITS))
def test_wrong_character_is_noticed_without_asking_anybody(place: int, character: str) -> None:
    """One that was mistyped does not fit its checksum."""
    wrong = SECRET[:place] + character + SECRET[place + 1 :]
    assert tokens.is_whole(wrong) == (wrong == SECRET)


@given(st.text(max_size=80))
def test_other_texts_are_no_tokens(text: str) -> None:
    """Whatever is sent is looked at without an error."""
    assert not tokens.is_whole(text)


def test_line_end_and_blanks_are_no_part_of_a_token() -> None:
    """What a header may carry along is not taken for it."""
    assert not any(map(tokens.is_whole, [f"{SECRET}\n", f" {SECRET}", SECRET[:-1], SECRET.lower()]))


def test_hash_is_sha_256_and_says_nothing_of_the_secret() -> None:
    """It is the plain digest that other tools make, of 64 digits."""
    assert tokens.hash_of("abc").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert len(tokens.hash_of(SECRET)) == 64


@given(st.text(max_size=600), st.integers(0, 12), st.text(max_size=20))
def test_no_token_is_written_down(before: str, cut: int, behind: str) -> None:
    """Wherever it stands in a text, whole or without its end, and however long that is."""
    shown = without_tokens(f"{before} {SECRET[: len(SECRET) - cut]} {behind}")
    assert len(shown) <= MOST_CHARACTERS
    assert SECRET[4:16] not in shown
