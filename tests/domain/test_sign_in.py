"""Passwords, addresses, names, and how long one waits after failures."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.errors import BadInput
from campaign.domain.sign_in import LONGEST_WAIT, check_password, email_of, name_of, wait_after
from campaign.flow.passwords import DECOY, Passwords

EMAIL = "marguerite@example.com"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "too short"),
        ("elevenchars", "too short"),
        ("x" * 201, "longer than"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("password1234", "easy to guess"),
        ("Passwort123456", "easy to guess"),
        ("marguerite2026", "easy to guess"),
        ("Marguerite@Example.com", "easy to guess"),
        ("abababababab", "easy to guess"),
    ],
)
def test_passwords_that_are_short_long_or_guessed_first_are_refused(password: str, why: str):
    with pytest.raises(BadInput, match=why):
        check_password(password, EMAIL)


@pytest.mark.parametrize(
    "password", ["seven green lamps", "żółta łódź podwodna", "k9#Vw2!pLq8z", "ένα δύο τρία"]
)
def test_words_in_any_script_and_random_characters_are_passwords(password: str):
    check_password(password, EMAIL)


@pytest.mark.parametrize(
    "text",
    ["", "ana", "ana@", "@example.com", "ana@example", "a b@example.com", "ana@example.com\n@x", "a@b@c.de"],
)
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(BadInput):
        email_of(text)


def test_an_address_and_a_name_are_kept_tidy():
    assert email_of("  Ana.Lima+calls@Example.COM ") == "ana.lima+calls@example.com"
    assert name_of("  Ana \t Lima ") == "Ana Lima"
    for name in ("", " ", "x" * 101, "a\x00b", "a\u202eb"):
        with pytest.raises(BadInput):
            name_of(name)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_the_wait_begins_after_the_free_failures_grows_and_is_bounded(failures: int, free: int):
    wait = wait_after(failures, free)
    assert (wait is None) == (failures < free)
    if wait is not None:
        after = wait_after(failures + 1, free)
        assert after is not None
        assert timedelta(seconds=30) <= wait <= after <= LONGEST_WAIT


async def test_a_hash_matches_its_password_alone_and_the_decoy_costs_the_same():
    passwords = Passwords(lambda: b"0123456789abcdef")
    kept = await passwords.hashed("seven green lamps")
    assert kept.startswith("$argon2id$")
    assert await passwords.match(kept, "seven green lamps")
    assert not await passwords.match(kept, "seven green lamp")
    assert not await passwords.match(None, "seven green lamps")
    assert not await passwords.match("no hash at all", "seven green lamps")
    assert not passwords.is_outdated(kept)
    assert not passwords.is_outdated(DECOY)
    assert passwords.is_outdated(kept.replace("t=2", "t=1"))
