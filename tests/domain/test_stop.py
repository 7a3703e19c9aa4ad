"""Stop means stop: whatever the moment, whichever the way, with no model anywhere."""

from collections.abc import Callable

import pytest

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation import (
    AgentFailed,
    AgentText,
    Ask,
    Closed,
    EndSession,
    HandOver,
    OptOut,
    Send,
    SetDisposition,
    StopRequested,
)
from campaign.domain.dialogue import Patience
from campaign.domain.disposition import Disposition
from tests.support.talking import AI, GREETING, SETUP, STOP, Call, tool

HUSHED = "Hi, you have reached my voicemail."
SCREEN = "Please state your name and reason for calling."


def _thinking() -> Call:
    return Call().greeted().says("Tell me more.")


def _bridged() -> Call:
    slow = Call(patience=lambda _: Patience(first_token_seconds=5.0))
    return slow.greeted().says("Tell me more.").after(2.1)


def _reply() -> Call:
    call = _thinking()
    return call.on(AgentText(call.of(Ask)[0].generation, "Our panels last, and "), relay.TokensPlayed("Our"))


def _model_down() -> Call:
    call = _thinking()
    for _ in range(2):
        call.on(AgentFailed([one.generation for one in call.all if isinstance(one, Ask)][-1], "down"))
    return call


MOMENTS: dict[str, Callable[[], Call]] = {
    "before the greeting": lambda: Call().on(SETUP),
    "in the disclosures": lambda: Call().on(SETUP).after(1.0),
    "in the greeting": lambda: (
        Call().on(SETUP).after(1.0).on(relay.TokensPlayed(AI), relay.TokensPlayed(STOP))
    ),
    "after the greeting": lambda: Call().greeted(),
    "while the agent thinks": _thinking,
    "in the bridging sentence": _bridged,
    "in a reply": _reply,
    "after an interruption": lambda: _reply().on(relay.Interrupt("Our", 100)),
    "with the model down": _model_down,
    "after a nudge": lambda: Call().greeted().after(8.1),
    "in the last words": lambda: (
        Call().greeted().says("Fine.").replies("Bye.", tool("end_call", reason="completed"))
    ),
    "in the goodbye after silence": lambda: Call().greeted().after(25),
    "while transferring": lambda: Call().greeted().says("A human.").replies(tool("transfer", to="sales")),
    "while a mailbox is listened to": lambda: Call(leave_message=True).on(SETUP).says(HUSHED),
    "behind a robot": lambda: Call().on(SETUP).says(SCREEN),
    "while handing over": lambda: Call().greeted().on(HandOver()),
    "in another language": lambda: Call({"languages": {"es-MX": {}}}).greeted().says("Spanish please"),
    "after keys": lambda: Call().greeted().on(relay.Dtmf("4")).after(2),
}


WAYS: dict[str, Callable[[Call], Call]] = {
    "speech": lambda call: call.says("Please stop calling me."),
    "speech in their own language": lambda call: call.says("No me llamen más."),
    "a word": lambda call: call.says("Stop!"),
    "key": lambda call: call.on(relay.Dtmf("9")),
    "words whose end never comes": lambda call: call.on(partial("take me off your list")).after(1.3),
    "hanging up in the middle": lambda call: call.on(partial("take me off your list"), Closed(1000)),
}


def partial(text: str) -> relay.Prompt:
    return relay.Prompt(voice_prompt=text, last=False)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_stop_is_heard_at_any_moment_in_any_way(moment: str, way: str) -> None:
    call = MOMENTS[moment]()
    before = len(call.all)
    call = WAYS[way](call)
    since = call.all[before:]
    stops = [one for one in since if isinstance(one, OptOut)]
    assert len(stops) == 1
    assert stops[0].quote
    words = [
        (place, one.frame.token)
        for place, one in enumerate(since)
        if isinstance(one, Send) and isinstance(one.frame, relay.Text) and one.frame.token
    ]
    if way != "hanging up in the middle":
        # Safe first; then one statement, no question; then the line is dropped, and nobody is put through.
        ((place, spoken),) = words
        assert since.index(stops[0]) < place
        assert "?" not in spoken
        call.after(40)
        ends = [one for one in call.all if isinstance(one, EndSession)]
        assert [one.handoff["reason"] for one in ends] == ["do_not_call"]
    codes = [one.code for one in call.all if isinstance(one, SetDisposition)]
    assert codes[-1] is Disposition.DO_NOT_CALL
    assert [one for one in call.all[before + since.index(stops[0]) :] if isinstance(one, Ask)] == []


def test_after_the_end_was_sent_stop_is_still_put_on_the_list() -> None:
    call = Call().greeted().says("Bye.").replies("Bye.", tool("end_call", reason="completed")).plays("Bye.")
    assert call.of(EndSession)
    assert call.says("And stop calling me.").of(OptOut)
    assert call.of(Send) == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_opt_out_from_elsewhere_ends_the_call_at_any_moment(moment: str) -> None:
    call = MOMENTS[moment]().on(StopRequested("opt_out")).after(40)
    ends = [one for one in call.all if isinstance(one, EndSession)]
    assert len(ends) == 1
    assert ends[0].handoff["reason"] in ("do_not_call", "stopped")
    codes = [one.code for one in call.all if isinstance(one, SetDisposition)]
    assert codes[-1] is Disposition.DO_NOT_CALL


def test_the_acknowledgement_is_not_cut_off_when_the_list_was_slow() -> None:
    call = Call().greeted().says("Stop calling me.")
    # Sent three seconds late, begun half a second after that, spoken by a slow voice for five.
    assert call.after(8.4).of(EndSession) == []
    assert call.plays("You're off our list and we won't call you again.", " Goodbye.").of(EndSession)


def test_the_disclosures_never_stop_their_own_call() -> None:
    call = Call().greeted()
    assert [one for one in call.all if isinstance(one, OptOut)] == []
    assert call.says(GREETING).of(OptOut) == []
