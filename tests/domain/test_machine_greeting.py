"""A machine is known by what it says, and no person is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.machine_greeting import recognise


@pytest.mark.parametrize(
    "said",
    [
        "Hi, you have reached my voicemail.",
        "Please leave a message after the tone.",
        "You've reached the voice mail box of Pat Jones.",
        "At the tone, please record your message.",
        "Leave your name and number after the beep.",
        "Hey it's Sam, leave me a message and I'll call you back.",
        "Your call has been forwarded to an automated voice messaging system.",
        "The mailbox is full and cannot accept any messages at this time.",
        "I'm not available right now, please leave your name and number.",
        "Deje su mensaje después de la señal.",
        "Vous êtes bien sur la messagerie vocale de Paul.",
        "Merci de laisser un message après le bip.",
        "Bitte hinterlassen Sie eine Nachricht nach dem Signalton.",
    ],
)
def test_a_machines_greeting_is_recognised(said: str) -> None:
    assert recognise(said)


@pytest.mark.parametrize(
    "said",
    [
        "Hello?",
        "Hi, you've reached Pat's Plumbing, how can I help?",
        "He isn't available, would you like to leave a message?",
        "Can I take a message?",
        "I can't take your call right now, I'm driving.",
        "I can't talk now. Can you call me tomorrow at three?",
        "You left me a message yesterday.",
        "I got your voicemail.",
        "Why didn't you leave a message?",
        "Just leave a message next time.",
        "Please don't call my mailbox again.",
        "The number you called is my office.",
        "Hi, if you record your name and reason for calling, I'll see if this person is available.",
        "Do you want to leave your name?",
        "¿Quién es?",
        "Das ist nicht mein Ton.",
        "",
    ],
)
def test_a_person_or_their_assistant_is_not_taken_for_a_machine(said: str) -> None:
    assert not recognise(said)


@given(st.text(max_size=3000))
def test_anything_may_be_said(said: str) -> None:
    recognise(said)
