from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.simulator import SimulatorConfig
from campaign.simulator.config import DEFAULT_WEIGHTS
from campaign.simulator.people import (
    BY_DIGITS,
    LISTEN,
    PERSONAS,
    Person,
    answer,
    check_persona,
    is_goodbye,
    persona_of,
)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Am I speaking with Pat?", "Yes, this is me."),
        ("Do you have a minute?", "Sure, go ahead."),
        ("Is this a bad time?", "No, it's fine. Go ahead."),
        ("Great. Would Monday or Tuesday suit you?", "Monday, please."),
        ("When may we call again?", "Tomorrow at three in the afternoon."),
        ("How many people work there?", "About twelve."),
        ("What is your e-mail address?", "It's pat at example dot com."),
        ("Are you still there?", "Yes, I'm here."),
        ("Is there anything else?", "No, that's all. Thank you."),
        ("Would you like a demo?", "Yes, that sounds good."),
        ("Do you own a car?", "Yes."),
        ("Sorry, we were cut off for a moment. Do you own your home?", "Yes."),
    ],
)
def test_questions_get_sensible_answers(question: str, said: str) -> None:
    assert answer(question) == said


def test_goodbyes_are_known() -> None:
    assert is_goodbye("Thank you for your time. Goodbye!")
    assert is_goodbye("Have a great day.")
    assert not is_goodbye("By the way, we are open.")


def test_who_answers_depends_on_seed_and_number_only() -> None:
    config = SimulatorConfig(seed=3)
    numbers = [f"+1212555{n:04d}" for n in range(2000)]
    drawn = [persona_of(config, number, {}) for number in numbers]
    assert drawn == [persona_of(config, number, {}) for number in numbers]
    assert drawn != [persona_of(SimulatorConfig(seed=4), number, {}) for number in numbers]
    counts = Counter(drawn)
    total = sum(DEFAULT_WEIGHTS.values())
    for name, weight in DEFAULT_WEIGHTS.items():
        assert 0.5 * weight / total < counts[name] / 2000 < 1.7 * weight / total


def test_a_named_number_wins_over_digits_and_digits_over_weights() -> None:
    config = SimulatorConfig(by_digits=True, weights={"busy": 1})
    assert persona_of(config, "+12125550101", {"+12125550101": "silent"}) == "silent"
    assert persona_of(config, "+12125550101", {}) == BY_DIGITS[1]
    assert persona_of(config, "sip:someone", {}) == "busy"


def test_unknown_personas_are_refused_with_the_known_ones() -> None:
    assert check_persona("interested_cut") == "interested_cut"
    with pytest.raises(ValueError, match="interested"):
        check_persona("intrested")


def say(person: Person, *sentences: str) -> list[str | None]:
    return [person.hears(sentence).say for sentence in sentences]


def test_someone_not_interested_says_so_twice_and_hangs_up() -> None:
    person = Person("not_interested", Random(1))
    assert say(person, "Do you have a minute?", "Are you sure?") == [
        "No thanks, I'm not interested.",
        "No, really, I am not interested. Goodbye.",
    ]
    assert person.hears("Really sure?").hang_up


@pytest.mark.parametrize(
    ("persona", "words"),
    [
        ("do_not_call", "off your list"),
        ("wants_human", "real person"),
        ("callback_asker", "tomorrow at three"),
        ("wrong_number", "wrong number"),
    ],
)
def test_each_says_its_sentence_when_asked(persona: str, words: str) -> None:
    assert words in (Person(persona, Random(1)).hears("Do you have a minute?").say or "")


def test_who_asked_for_a_callback_repeats_it_and_answers_nothing_else() -> None:
    person = Person("callback_asker", Random(1))
    said = say(person, "Do you have a minute?", "Sorry, we were cut off for a moment. Do you own your home?")
    assert all("tomorrow at three" in (words or "") for words in said)
    assert "three" in (person.hears("When would be a good time for us to call you?").say or "")
    assert person.hears("Do you own your home?").hang_up


def test_who_is_asked_to_say_it_again_says_it_again() -> None:
    for persona in ("interested", "not_interested", "wrong_number", "wants_human", "rambler"):
        person = Person(persona, Random(1))
        first = person.hears("Do you have a minute?").say
        assert first
        assert person.hears("Sorry, we were cut off for a moment, could you say that again?").say == first


def test_keys_are_pressed_as_asked_and_nine_otherwise() -> None:
    person = Person("keypresser", Random(1))
    assert person.hears("Press 4 for yes. Will you?").digits == "4"
    assert person.hears("Press star to hear it again.").digits == "*"
    assert person.hears("Please press one now.").digits == "1"
    assert person.hears("Do you have a minute?").digits == "9"
    assert person.hears("We are open all day.") is LISTEN


def test_a_goodbye_is_answered_once() -> None:
    person = Person("interested", Random(1))
    assert person.hears("Goodbye!").say
    assert person.hears("Goodbye!") is LISTEN
    assert person.after_silence(1).hang_up


def test_silence_is_asked_about_once_before_hanging_up() -> None:
    person = Person("interested", Random(1))
    assert person.after_silence(1).say
    assert person.after_silence(2).hang_up


@given(st.sampled_from(sorted(PERSONAS)), st.lists(st.text(max_size=60), max_size=60), st.integers())
def test_nobody_talks_for_ever(persona: str, heard: list[str], seed: int) -> None:
    person = Person(persona, Random(seed), max_turns=5)
    turns = 0
    for text in heard:
        reaction = person.hears(text)
        turns += reaction is not LISTEN
        if reaction.hang_up:
            break
    assert turns <= 7  # five turns, a goodbye, and having to go
