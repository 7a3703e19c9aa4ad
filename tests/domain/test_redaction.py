"""Sensitive numbers, written and spoken, and what must stay."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.domain.number_words import DIGITS, REPEATS, SCALES, TENS
from campaign.domain.redaction import HINTS, luhn, redact, redact_both, redact_turns, verhoeff
from tests.domain.redaction_phrases import HELD_OUT_KEPT, HELD_OUT_MASKED, TUNED_KEPT, TUNED_MASKED

MISSED, OVER_EAGER = 1, 0
"""Of the phrases that were held out: at most so many."""

MASKED = [
    ("My card is 4111111111111111.", "My card is [card ending 1111]."),
    ("4111 1111 1111 1111", "[card ending 1111]"),
    ("4111-1111-1111-1111 thanks", "[card ending 1111] thanks"),
    ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card ending 1111]"),
    ("4111, 1111, 1111, 1112", "[number ending 1112]"),
    ("it's four one one one one one one one one one one one one one one one", "it's [card ending 1111]"),
    ("forty one eleven eleven eleven eleven eleven eleven eleven", "[card ending 1111]"),
    ("four triple one, uh, double one double one double one double one double one", None),
    ("four one double one triple one one, let me see, double one double one double one double one", None),
    ("my social is 078-05-1120", "my social is [id ending 1120]"),
    ("078 05 1120", "[id ending 1120]"),
    ("oh seven eight oh five one one two oh", "[id ending 1120]"),
    ("aadhaar 2341 2341 2346", "aadhaar [id ending 2346]"),
    ("two three four one two three four one two three four six", "[id ending 2346]"),
    ("call me at 212 555 0123", "call me at [phone ending 0123]"),
    ("(212) 555-0123 is mine", "([phone ending 0123] is mine"),
    ("+44 20 7946 0958 12345", "+[number ending 2345]"),
    ("write to jane.doe+x@example.co.uk please", "write to [e-mail] please"),
    ("it is john dot smith at gmail dot com", "it is [e-mail]"),
    ("ana at gmail dot com is my address", "[e-mail] is my address"),
    ("john underscore smith at example dot co dot uk", "[e-mail]"),
    ("uno dos tres cuatro cinco seis siete ocho nueve", "[id ending 6789]"),
    ("null eins zwei drei vier fünf sechs sieben acht neun", "[phone ending 6789]"),
    ("zéro un deux trois quatre cinq six sept huit neuf", None),
    ("٤١١١ ١١١١ ١١١١ ١١١١", "[card ending 1111]"),
    ("cvv is 123", "cvv is [code]"),
    ("the security code is one two three okay", "the security code is [code] okay"),
    ("c v v 4 5 6", "c v v [code]"),
]

KEPT = [
    "I have three children and two dogs",
    "at half past ten on November 24",
    "the price is 1200 dollars",
    "two thousand five hundred",
    "it was 2026-11-21 at 10 30",
    "my zip is 10001",
    "one two three four",
    "we are twenty one people",
    "look at the dot on the map",
    "meet me at noon",
    "version 3.11",
    "",
]


@pytest.mark.parametrize(("said", "stored"), MASKED)
def test_a_sensitive_number_is_masked(said: str, stored: str | None) -> None:
    masked = redact(said)
    assert "[" in masked
    if stored is not None:
        assert masked == stored
    left = re.sub(r"\[[^\]]*\]", "", masked)
    assert len(re.sub(r"\D", "", left)) < 9


@pytest.mark.parametrize("said", KEPT)
def test_ordinary_talk_stays_as_it_is(said: str) -> None:
    assert redact(said) == said


def test_the_dialled_number_may_stay() -> None:
    assert redact("is this 212 555 0123?", spare=["+12125550123"]) == "is this 212 555 0123?"


def test_a_number_split_over_turns_is_masked_in_each_of_them() -> None:
    turns = ["it's four one one one", "1111", "one one one one and", "1111 that's all"]
    assert redact_turns(turns) == ["it's [card]", "[card]", "[card]", "[card ending 1111] that's all"]


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@given(
    st.lists(st.integers(0, 9), min_size=9, max_size=19),
    st.lists(st.sampled_from(["", " ", "-", " uh ", ", ", " um, "]), min_size=19, max_size=19),
    st.lists(st.booleans(), min_size=19, max_size=19),
)
def test_no_way_of_saying_nine_or_more_digits_gets_through(
    digits: list[int], gaps: list[str], spoken: list[bool]
) -> None:
    said = ""
    for digit, gap, word in zip(digits, gaps, spoken, strict=False):
        said += f" {WORDS[digit]} " if word else str(digit)
        said += gap
    masked = redact(f"so {said} okay thanks")
    last = "".join(map(str, digits))[-4:]
    assert f"ending {last}]" in masked
    assert masked.startswith("so ")
    assert masked.endswith("okay thanks")
    assert not re.search(r"\d", masked.replace(f"ending {last}]", ""))


@given(st.lists(st.text(max_size=80), min_size=1, max_size=4))
def test_any_turns_come_back_as_many_and_are_stable(turns: list[str]) -> None:
    once = redact_turns(turns)
    assert len(once) == len(turns)
    assert redact_turns(once) == once


COUNTED = [*DIGITS, *TENS, *REPEATS, *"1 2 7 12 345 6789 90210 2019 AB123456C 12345678Z".split()]  # noqa: SIM905
ELSE = [*HINTS, *SCALES.split(), *"a b x A B X @ … ? , - it’s uh and my is at dot gmail com".split()]  # noqa: SIM905


@given(
    st.lists(st.sampled_from(COUNTED) | st.sampled_from(ELSE), max_size=10).map(" ".join),
    st.sampled_from([(), ("4111111111111111",), ("078051120", "6789012")]),
)
@example("it’s four five six", ())
@example("my pin is triple twelve", ())
@example("A B 1 2 3 4 5 6 C", ())
def test_the_quick_look_lets_nothing_through_that_a_close_one_would_mask(
    said: str, echoes: tuple[str, ...]
) -> None:
    closely = redact_turns((said, "Éé"), echoes=echoes)[0]  # no quick look at letters like these
    assert redact(said, echoes=echoes) == closely


def test_checksums() -> None:
    assert luhn("4111111111111111")
    assert not luhn("4111111111111112")
    assert verhoeff("234123412346")
    assert not verhoeff("234123412345")
    assert verhoeff("2363")


@pytest.mark.parametrize(("said", "gone"), TUNED_MASKED)
def test_a_number_by_which_somebody_can_be_named_goes(said: str, gone: tuple[str, ...]) -> None:
    stored = redact(said)
    assert "[" in stored
    assert [part for part in gone if part in stored] == [], stored


@pytest.mark.parametrize("said", TUNED_KEPT)
def test_years_prices_times_and_addresses_stay(said: str) -> None:
    assert redact(said) == said


def test_of_phrases_that_nobody_tuned_for_few_are_judged_wrongly() -> None:
    """The rates that docs/records.md tells."""
    missed = [said for said, gone in HELD_OUT_MASKED if any(part in redact(said) for part in gone)]
    over_eager = [said for said in HELD_OUT_KEPT if redact(said) != said]
    assert len(missed) <= MISSED, missed
    assert len(over_eager) <= OVER_EAGER, over_eager


def test_there_are_enough_phrases_of_both_kinds() -> None:
    masked = len(MASKED) + len(TUNED_MASKED) + len(HELD_OUT_MASKED)
    kept = len(KEPT) + len(TUNED_KEPT) + len(HELD_OUT_KEPT)
    assert masked + kept >= 120
    assert min(len(HELD_OUT_MASKED), len(HELD_OUT_KEPT)) >= 30


def test_years_and_postal_codes_of_different_answers_are_no_number() -> None:
    turns = ["2012", "10001", "25"]
    assert redact_turns(turns, asked=[1, 2]) == turns
    assert redact_turns(turns) == ["[phone]", "[phone]", "[phone ending 0125]"]
    assert redact_turns(["4111 1111", "1111 1111"], asked=[1]) == ["[card]", "[card ending 1111]"]


def test_a_part_of_a_masked_number_is_masked_when_the_other_side_repeats_it() -> None:
    _, known = redact_both(["my card is 4111 1111 1111 1234"], (), (), ())
    assert known == {"4111111111111234"}
    assert redact("was that 1111 1234?", echoes=known) == "was that [number]?"
    assert redact("one two three four, right?", echoes=known) == "[number], right?"
    assert (
        redact("the survey takes 45 minutes, in 2026", echoes=known) == "the survey takes 45 minutes, in 2026"
    )
