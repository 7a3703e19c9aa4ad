"""The ConversationRelay side at the wire."""

import asyncio
import time

import pytest

from campaign.simulator.signing import signature
from tests.simulator.service import PERSON, RELAY, Hook, Rig, Session, rig

ASK = "Hello, this is Ada. Do you have a minute?"


async def hear_hello(session: Session) -> None:
    await session.next("setup")
    await session.next("prompt", last=True)


async def test_the_upgrade_is_signed_over_the_address_as_written() -> None:
    async with rig() as made:
        made.service.talk = hear_hello
        await made.call()
        await made.finish()
        session = made.service.sessions[0]
        assert session.signed
        assert session.headers["User-Agent"].startswith("Jetty/")
        assert (
            session.headers["X-Twilio-Signature"]
            == (session.headers["x-amzn-bedrock-agentcore-runtime-custom-twilio-signature"])
        )


async def test_setup_is_the_first_frame_and_carries_the_parameters() -> None:
    async with rig(hear_hello) as made:
        made.service.answers["/voice"] = made.service.relay_twiml(
            RELAY, children='<Parameter name="attempt" value="42"/>'
        )
        created = await made.call()
        await made.finish()
        setup = made.service.sessions[0].frames[0]
        assert setup["type"] == "setup"
        assert setup["callSid"] == created.sid
        assert setup["callStatus"] == "IN_PROGRESS"
        assert setup["direction"] == "outbound-api"
        assert setup["customParameters"] == {"attempt": "42"}
        assert setup["sessionId"].startswith("VX")
        assert len(setup["sessionId"]) == 34


async def test_speech_is_reported_in_chunks_and_ends_with_speaking_off() -> None:
    async def talk(session: Session) -> None:
        await hear_hello(session)
        for token in ("I heard", ": yes", ". Hold", "ing, really. It costs 3.50"):
            await session.send(type="text", token=token)
        await session.send(type="text", token="", last=True)
        await session.next("info", name="agentSpeaking", value="off")

    async with rig(talk) as made:
        await made.call()
        call = await made.finish()
        infos = [(f["name"], f["value"]) for f in made.service.sessions[0].of("info")][2:]
        assert infos == [
            ("agentSpeaking", "on"),
            ("tokensPlayed", "I heard:"),
            ("tokensPlayed", " yes."),
            ("tokensPlayed", " Holding, really."),
            ("tokensPlayed", " It costs 3.50"),
            ("agentSpeaking", "off"),
        ]
        assert call.heard == "I heard: yes. Holding, really. It costs 3.50"


async def test_info_frames_come_only_when_asked_for() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say(ASK)
        await session.next("prompt", voicePrompt="Sure, go ahead.")

    async with rig(talk) as made:
        made.service.answers["/voice"] = made.service.relay_twiml()
        await made.call()
        await made.finish()
        assert made.service.sessions[0].of("info") == []


async def test_the_welcome_greeting_is_one_chunk() -> None:
    async def talk(session: Session) -> None:
        await session.next("info", name="agentSpeaking", value="off")

    async with rig(talk, persona="silent") as made:
        made.service.answers["/voice"] = made.service.relay_twiml(f'{RELAY} welcomeGreeting="{ASK}"')
        await made.call()
        await made.finish()
        played = [f["value"] for f in made.service.sessions[0].of("info") if f["name"] == "tokensPlayed"]
        assert played == [ASK]


async def test_end_closes_with_1000_and_hands_the_data_to_the_action_verbatim() -> None:
    data = '{"reason": "über\\u00e4ll & fertig"}'

    async def talk(session: Session) -> None:
        await hear_hello(session)
        await session.send(type="end", handoffData=data)
        await session.drain()

    async with rig(talk) as made:
        await made.call()
        await made.finish()
        (action,) = made.service.of("/action")
        assert action["HandoffData"] == data
        assert (action["SessionStatus"], action["CallStatus"]) == ("ended", "in-progress")
        assert "ErrorCode" not in action
        assert made.service.sessions[0].close_code == 1000
        order = [hook.params.get("SessionStatus") or hook.params["CallStatus"] for hook in made.service.hooks]
        assert order[-2:] == ["ended", "completed"]


async def test_a_hang_up_completes_session_and_call() -> None:
    async def talk(session: Session) -> None:
        await hear_hello(session)
        await session.say("Goodbye!")
        await session.drain()

    async with rig(talk) as made:
        await made.call()
        await made.finish()
        (action,) = made.service.of("/action")
        assert (action["SessionStatus"], action["CallStatus"]) == ("completed", "completed")
        assert "HandoffData" not in action
        assert made.service.sessions[0].close_code == 1000


async def test_rest_completed_closes_the_socket_before_it_answers() -> None:
    closed_at: list[float] = []

    async def talk(session: Session) -> None:
        await hear_hello(session)
        greeted.set()
        await session.drain()
        closed_at.append(time.monotonic())

    greeted = asyncio.Event()
    async with rig(talk) as made:
        created = await made.call()
        await greeted.wait()
        updated = await asyncio.to_thread(created.update, status="completed")
        assert closed_at
        assert closed_at[0] <= time.monotonic()
        assert updated.status == "completed"
        await made.finish()
        (action,) = made.service.of("/action")
        assert (action["SessionStatus"], action["CallStatus"]) == ("completed", "completed")


@pytest.mark.parametrize("how", ["drop", "clean close"])
async def test_a_socket_lost_by_the_app_fails_the_session_and_the_call_lives(how: str) -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        if len(made.service.sessions) > 1:
            await session.send(type="end")
            await session.drain()
        elif how == "drop":
            # aiohttp has no public way to drop a socket without a close frame.
            assert session.ws._req is not None
            assert session.ws._req.transport is not None
            session.ws._req.transport.abort()
        else:
            await session.ws.close()

    async with rig(talk) as made:
        again = made.service.relay_twiml(RELAY)
        made.service.answers["/action"] = lambda hook: (
            again if hook.params["SessionStatus"] == "failed" else "<Response><Hangup/></Response>"
        )
        created = await made.call()
        await made.finish()
        first, last = made.service.of("/action")
        assert (first["SessionStatus"], first["ErrorCode"], first["ErrorMessage"]) == (
            "failed",
            "64105",
            "Websocket ended",
        )
        assert first["CallStatus"] == "in-progress"
        assert last["SessionStatus"] == "ended"
        assert first["SessionId"] != last["SessionId"]
        assert {s.frames[0]["callSid"] for s in made.service.sessions} == {created.sid}


async def test_a_cut_in_mid_sentence_is_followed_by_a_second_session_with_the_same_person() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        if len(made.service.sessions) == 1:
            await session.say("Hello. Do you have a minute?")
            await session.next("prompt", voicePrompt="Sure, go ahead.")
            await session.say("We have been building very long bridges over all the rivers of the state.")
            await session.drain()
        else:
            await session.say("Sorry, we were cut off. Would you like to go on?")
            await session.next("prompt", last=True)
            await session.send(type="end")
            await session.drain()

    async with rig(talk, persona="interested_cut") as made:
        made.service.answers["/action"] = lambda hook: (
            made.service.relay_twiml(RELAY)
            if hook.params["SessionStatus"] == "failed"
            else "<Response><Hangup/></Response>"
        )
        await made.call()
        call = await made.finish()
        first, second = made.service.sessions
        assert (first.close_code, second.close_code) == (1006, 1000)
        assert second.of("prompt")[0]["voicePrompt"] == "Yes, that sounds good."
        assert "We have been" in call.heard
        assert "state." not in call.heard


async def test_bad_frames_are_answered_and_the_tenth_in_a_row_closes_with_1007() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        bad = ['{"type":"text"}', "not json", '{"type":"text","token":null}', '{"type":"interrupt"}']
        bad += ['{"type":"sendDigits","digits":"call"}', '{"type":"end","handoffData":{"a":1}}']
        bad += ['{"type":"play"}', '{"type":"language"}', '{"type":"text","token":"a","last":"true"}']
        for frame in bad:
            await session.ws.send_str(frame)
        await session.say("A good one.")
        for frame in [*bad, "[]"]:
            await session.ws.send_str(frame)
        await session.drain()

    async with rig(talk, persona="silent") as made:
        await made.call()
        await made.finish()
        session = made.service.sessions[0]
        texts = [frame["description"] for frame in session.of("error")]
        assert len(texts) == 19
        assert texts[1] == "Invalid message received, code: 64107, not json"
        assert session.close_code == 1007
        (action,) = made.service.of("/action")
        assert (action["SessionStatus"], action["ErrorCode"]) == ("failed", "64105")
        assert made.codes().count(64107) == 19


async def test_a_socket_that_cannot_be_opened_fails_with_64102() -> None:
    async with rig() as made:
        twiml = made.service.relay_twiml(RELAY).replace("/relay/one", "/no-such-socket")
        made.service.answers["/voice"] = twiml
        await made.call()
        await made.finish()
        (action,) = made.service.of("/action")
        assert (action["SessionStatus"], action["ErrorCode"]) == ("failed", "64102")
        assert 64102 in made.codes()


async def barge(made: Rig, attributes: str, **frame: object) -> Session:
    """One call of the interrupter who is asked, answers, and cuts into a long sentence."""

    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say(ASK)
        await session.next("prompt", voicePrompt="Sure, go ahead.")
        await session.say(
            "Sentence one is here. Sentence two, however, is a very long one that goes on and on.", **frame
        )
        await session.next("info", name="agentSpeaking", value="off")
        await session.send(type="end")
        await session.drain()

    made.service.talk = talk
    made.service.answers["/voice"] = made.service.relay_twiml(f"{RELAY} {attributes}")
    await made.call()
    await made.finish()
    return made.service.sessions[0]


async def test_a_barge_in_sends_its_frames_in_the_order_of_the_wire() -> None:
    async with rig(persona="interrupter") as made:
        session = await barge(made, 'partialPrompts="true" speechModel="flux"')
        (cut,) = session.of("interrupt")
        at = session.frames.index(cut)
        fragment = cut["utteranceUntilInterrupt"]
        assert "Sentence one is here. Sentence two".find(fragment.strip()) >= 0
        assert isinstance(cut["durationUntilInterruptMs"], int)
        around = [(f["type"], f.get("name"), f.get("value")) for f in session.frames[at - 2 : at + 3]]
        assert around[0] == ("info", "clientSpeaking", "on")
        assert around[1][:2] == ("info", "tokensPlayed")
        assert str(around[1][2]).lstrip() == fragment
        assert around[3][0] == "prompt"
        assert session.frames[at + 1]["last"] is False
        assert around[4] == ("info", "agentSpeaking", "off")
        assert "goes on" not in made.simulator.calls[0].heard


async def test_what_may_not_be_interrupted_is_spoken_to_its_end() -> None:
    async with rig(persona="interrupter") as made:
        session = await barge(made, 'reportInputDuringAgentSpeech="any"', interruptible=False)
        assert session.of("interrupt") == []
        assert "goes on and on." in made.simulator.calls[0].heard
        said = [f["voicePrompt"] for f in session.of("prompt")]
        assert any("how much" in text for text in said)


async def test_speech_over_the_agent_is_unheard_unless_reported() -> None:
    async with rig(persona="interrupter") as made:
        session = await barge(made, 'interruptible="none"')
        assert session.of("interrupt") == []
        assert not any("how much" in f["voicePrompt"] for f in session.of("prompt"))


async def test_keys_arrive_only_with_dtmf_detection() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say("Please press 4 to go on. Will you?")
        await session.next("info", name="agentSpeaking", value="off")
        await session.drain()

    for detection, digits in (("true", ["4"]), ("false", [])):
        async with rig(talk, persona="keypresser") as made:
            made.service.answers["/voice"] = made.service.relay_twiml(
                f'events="speaker-events" dtmfDetection="{detection}"'
            )
            await made.call()
            await made.finish()
            assert [f["digit"] for f in made.service.sessions[0].of("dtmf")] == digits


async def test_preemptible_speech_is_cut_by_the_next_message_without_an_interrupt() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say("Let me see, this may take me quite a while to look up.", preemptible=True)
        await session.next("info", name="agentSpeaking", value="on")
        await made.simulator.clock.sleep(1.0)
        await session.say("Found it.")
        await session.next("info", name="agentSpeaking", value="off")
        await session.send(type="end")
        await session.drain()

    async with rig(persona="silent") as made:
        made.service.talk = talk
        await made.call()
        call = await made.finish()
        assert call.heard.startswith("Let me see")
        assert "look up" not in call.heard
        assert call.heard.endswith("Found it.")
        assert made.service.sessions[0].of("interrupt") == []


async def test_digits_wait_behind_speech_and_are_heard() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say("One moment.")
        await session.send(type="sendDigits", digits="12#")
        await session.send(type="play", source="https://example.com/a.mp3")
        await session.send(type="language", ttsLanguage="es-ES")
        await session.next("info", name="tokensPlayed", value="12#")
        await session.send(type="end")
        await session.drain()

    async with rig(talk, persona="silent") as made:
        await made.call()
        call = await made.finish()
        assert call.digits_heard == "12#"
        played = [f["value"] for f in made.service.sessions[0].of("info") if f["name"] == "tokensPlayed"]
        assert played == ["One moment.", "12#"]


@pytest.mark.parametrize("fires", [True, False])
async def test_a_rest_redirect_ends_the_session_in_both_variants(fires: bool) -> None:
    greeted = asyncio.Event()

    async def talk(session: Session) -> None:
        await hear_hello(session)
        greeted.set()
        await session.drain()

    async with rig(talk, redirect_fires_action=fires) as made:
        created = await made.call()
        await greeted.wait()
        await asyncio.to_thread(created.update, twiml="<Response><Say>A message.</Say></Response>")
        call = await made.finish()
        assert made.service.sessions[0].close_code == 1000
        assert len(made.service.of("/action")) == (1 if fires else 0)
        assert call.heard == "A message."


async def test_a_public_https_address_can_be_routed_to_this_machine() -> None:
    async def talk(session: Session) -> None:
        await hear_hello(session)
        await session.send(type="end")
        await session.drain()

    routes: dict[str, str] = {}
    async with rig(talk, routes=routes) as made:
        routes["calls.example"] = made.service.base_url.removeprefix("http://")
        answer = made.service.relay_twiml(RELAY)
        made.service.answers["/voice"] = answer.replace(
            made.service.relay_url(), "wss://calls.example/relay/x"
        )
        await made.call(url="https://calls.example/voice")
        await made.finish()
        voice: Hook = next(hook for hook in made.service.hooks if hook.path == "/voice")
        assert voice.headers["X-Forwarded-Proto"] == "https"
        assert voice.headers["Host"] == "calls.example"
        token = made.simulator.config.auth_token
        assert voice.headers["X-Twilio-Signature"] == signature(
            token, "https://calls.example/voice", voice.params
        )
        session = made.service.sessions[0]
        assert session.headers["X-Twilio-Signature"] == signature(token, "wss://calls.example/relay/x")


async def test_after_a_barge_in_the_person_waits_for_the_answer() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say(ASK)
        await session.next("prompt", voicePrompt="Sure, go ahead.")
        await session.say("Sentence one is here. Sentence two, however, is a very long one that goes on.")
        await session.next("interrupt")
        await session.next("prompt", last=True)
        await made.simulator.clock.sleep(8.0)  # a slow model
        await session.say("It costs nothing. Is that fine?")
        await session.next("prompt", last=True)
        await session.send(type="end")
        await session.drain()

    async with rig(persona="interrupter") as made:
        made.service.talk = talk
        await made.call()
        call = await made.finish()
        said = [line["text"] for line in call.transcript if line["who"] == "person"]
        assert said[1:] == ["Sure, go ahead.", "Sorry, wait a second, how much does it cost?", "Yes."]


async def test_sentences_of_two_turns_are_heard_as_two_sentences() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say("Sorry, we were cut off for a moment.")
        await session.say("Do you own your home?")
        await session.next("prompt", voicePrompt="Yes.")
        await session.send(type="end")
        await session.drain()

    async with rig(persona="interested") as made:
        made.service.talk = talk
        await made.call()
        call = await made.finish()
        assert "Yes." in [line["text"] for line in call.transcript if line["who"] == "person"]


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
async def test_a_socket_can_be_cut_after_any_frame(frames: int) -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        await session.say("Hello. Do you have a minute?")
        await session.next("prompt", voicePrompt="Sure, go ahead.")
        await session.send(type="end")
        await session.drain()

    async with rig(talk) as made:
        made.simulator.drop_after[PERSON] = frames
        made.service.answers["/action"] = lambda hook: (
            made.service.relay_twiml(RELAY)
            if hook.params["SessionStatus"] == "failed"
            else "<Response><Hangup/></Response>"
        )
        await made.call()
        await made.finish()
        assert [p["SessionStatus"] for p in made.service.of("/action")] == ["failed", "ended"]
        first = [
            f
            for f in made.simulator.ledger.frames
            if f.session_id == made.service.of("/action")[0]["SessionId"]
        ]
        assert len(first) == frames
        assert made.service.sessions[0].close_code == 1006


async def test_how_long_nobody_was_heard_between_two_sessions_is_measured() -> None:
    async def talk(session: Session) -> None:
        await session.next("setup")
        if len(made.service.sessions) == 1:
            await session.next("prompt", last=True)
            await session.say("One moment.")
            await session.next("info", name="agentSpeaking", value="off")
            await session.send(type="end")
        else:
            await session.say("Here I am again. Goodbye.")
        await session.drain()

    async with rig(talk) as made:
        made.service.answers["/action"] = made.service.relay_twiml(RELAY)
        await made.call()
        call = await made.finish()
        (found,) = call.silences()
        timings = made.simulator.config.timings
        least = timings.action_after_end[0] + timings.reconnect[0] + timings.speech[0]
        assert found["status"] == "ended"
        assert found["silence"] >= found["after_end"] >= least
        voices = [(one.who, one.session) for one in call.voices]
        assert voices[:3] == [("person", 1), ("agent", 1), ("agent", 2)]
        assert all(one.ends is not None and one.ends >= one.begins for one in call.voices)
        assert call.as_json()["silences"] == call.silences()
