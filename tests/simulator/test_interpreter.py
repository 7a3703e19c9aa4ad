"""What TwiML makes a call do."""

import asyncio

from tests.simulator.service import RELAY, Hook, Session, rig


async def test_say_is_heard_and_the_end_of_the_document_hangs_up() -> None:
    async with rig() as made:
        made.service.answers["/voice"] = "<Response><Say>Good morning.</Say></Response>"
        await made.call()
        call = await made.finish()
        assert call.heard == "Good morning."
        assert call.status == "completed"
        assert made.service.hooks[-1].params["CallStatus"] == "completed"


async def test_a_redirect_asks_again_and_one_in_a_circle_ends() -> None:
    async with rig(clock_rate=600) as made:
        made.service.answers["/voice"] = "<Response><Redirect>/more</Redirect></Response>"
        made.service.answers["/more"] = "<Response><Redirect>/more</Redirect></Response>"
        await made.call()
        call = await made.finish()
        assert call.status == "completed"
        assert 100 < len(made.service.of("/more")) <= 200
        assert 12100 in made.codes()


async def test_a_failing_address_falls_back_and_says_why() -> None:
    async with rig() as made:
        made.service.statuses["/voice"] = 500
        made.service.answers["/fallback"] = "<Response><Say>Sorry.</Say></Response>"
        await made.call(fallback_url=made.service.url("/fallback"))
        call = await made.finish()
        assert call.heard == "Sorry."
        (asked,) = made.service.of("/fallback")
        assert (asked["ErrorCode"], asked["ErrorUrl"]) == ("11200", made.service.url("/voice"))


async def test_without_a_fallback_an_application_error_is_heard() -> None:
    async with rig() as made:
        await made.call(url="http://127.0.0.1:9/nobody")
        call = await made.finish()
        assert "application error" in call.heard
        assert 11205 in made.codes()


async def test_twiml_of_the_wrong_content_type_is_not_run() -> None:
    async with rig() as made:
        made.service.content_type = "application/json"
        await made.call()
        call = await made.finish()
        assert "application error" in call.heard
        assert 12300 in made.codes()


async def test_what_is_not_xml_is_a_parse_failure() -> None:
    async with rig() as made:
        made.service.answers["/voice"] = "<Response><Say>oops</Response>"
        await made.call()
        await made.finish()
        assert 12100 in made.codes()


async def test_a_slow_answer_is_given_up() -> None:
    async with rig(network_floor=0.05, clock_rate=1000) as made:
        never = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await never.wait()
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await made.call(url=f"http://127.0.0.1:{port}/slow", fallback_url=made.service.url("/fallback"))
        made.service.answers["/fallback"] = "<Response><Hangup/></Response>"
        await made.finish()
        assert len(made.service.of("/fallback")) == 1
        never.set()
        server.close()
        await server.wait_closed()


async def test_url_wins_over_twiml() -> None:
    async with rig() as made:
        made.service.answers["/voice"] = "<Response><Say>From the address.</Say></Response>"
        await made.call(url=made.service.url("/voice"), twiml="<Response><Say>Inline.</Say></Response>")
        assert (await made.finish()).heard == "From the address."


async def test_unknown_attributes_are_warnings_and_do_nothing() -> None:
    async with rig() as made:
        made.service.answers["/voice"] = made.service.relay_twiml('interruptByDtmf="true"')
        made.service.talk = end_at_once
        await made.call()
        await made.finish()
        assert made.codes() == [12200]
        assert made.service.of("/action")[0]["SessionStatus"] == "ended"


async def test_a_wrong_value_fails_the_session_with_64101() -> None:
    async with rig() as made:
        made.service.answers["/voice"] = made.service.relay_twiml('speechTimeout="100"')
        await made.call()
        await made.finish()
        (action,) = made.service.of("/action")
        assert (action["SessionStatus"], action["ErrorCode"]) == ("failed", "64101")
        assert "64101" in made.service.sessions[0].of("error")[0]["description"]


async def end_at_once(session: Session) -> None:
    await session.next("setup")
    await session.send(type="end")
    await session.drain()


async def test_connect_without_an_action_goes_on_with_the_next_verb() -> None:
    async with rig(end_at_once) as made:
        twiml = made.service.relay_twiml(RELAY, action=None)
        made.service.answers["/voice"] = twiml.replace("</Response>", "<Say>After.</Say></Response>")
        await made.call()
        assert (await made.finish()).heard == "After."


async def test_dial_reports_how_the_transfer_went() -> None:
    async with rig(transfer={"+12125550111": "busy"}) as made:
        made.service.answers["/voice"] = (
            f'<Response><Dial action="{made.service.url("/dialled")}" timeout="5">'
            "<Number>+12125550110</Number></Dial></Response>"
        )
        made.service.answers["/dialled"] = (
            f'<Response><Dial action="{made.service.url("/again")}" timeout="5">+12125550111</Dial>'
            "</Response>"
        )
        made.service.answers["/again"] = "<Response><Say>Nobody is free.</Say></Response>"
        await made.call()
        call = await made.finish()
        first, second = made.service.of("/dialled")[0], made.service.of("/again")[0]
        assert (first["DialCallStatus"], first["DialCallDuration"]) == ("completed", "20")
        assert second["DialCallStatus"] == "busy"
        assert "DialCallDuration" not in second
        assert call.heard == "Nobody is free."


async def test_a_recording_is_reported_listed_and_deleted() -> None:
    async with rig(end_at_once) as made:
        relay = made.service.relay_twiml(RELAY)
        start = (
            f'<Start><Recording recordingStatusCallback="{made.service.url("/recording")}" '
            'recordingStatusCallbackEvent="in-progress completed" channels="dual"/></Start>'
        )
        made.service.answers["/voice"] = relay.replace("<Connect", start + "<Connect", 1)
        created = await made.call()
        await made.finish()
        posts = made.service.of("/recording")
        assert [p["RecordingStatus"] for p in posts] == ["in-progress", "completed"]
        assert posts[1]["RecordingChannels"] == "2"
        (recording,) = await asyncio.to_thread(created.recordings.list)
        fetched = await asyncio.to_thread(made.client.recordings(recording.sid).fetch)
        assert fetched.call_sid == created.sid
        client, config = made.client.http_client, made.simulator.config
        sound = await asyncio.to_thread(
            client.session.get, posts[1]["RecordingUrl"], auth=(config.account_sid, config.auth_token)
        )
        assert sound.headers["Content-Type"] == "audio/x-wav"
        assert len(sound.content) > 44
        assert await asyncio.to_thread(fetched.delete)
        assert await asyncio.to_thread(created.recordings.list) == []


async def test_a_rest_redirect_replaces_the_running_document() -> None:
    async with rig() as made:
        asked = asyncio.Event()

        def voice(hook: Hook) -> str:
            asked.set()
            return "<Response>" + "<Pause length='14'/>" * 40 + "</Response>"

        made.service.answers["/voice"] = voice
        created = await made.call()
        await asked.wait()
        await asyncio.to_thread(created.update, twiml="<Response><Say>New words.</Say></Response>")
        assert (await made.finish()).heard == "New words."


async def test_people_hang_up_on_a_long_silence_and_in_a_queue() -> None:
    async with rig() as made:
        await made.call(twiml="<Response><Pause length='600'/></Response>")
        await made.call("+12125550200", twiml="<Response><Enqueue>sales</Enqueue></Response>")
        made.simulator.world.named["+12125550200"] = "interested"
        await made.finish()
        assert all(call.seconds() < 90 for call in made.simulator.calls)
