"""Calls to us: whoever rings back reaches the agent of the campaign that called; others are sold nothing."""

from datetime import timedelta
from typing import Any

import pytest

from campaign.domain.disposition import Disposition
from campaign.flow import inbound, outcomes
from campaign.flow.answers import Converse, Gather, HangUp, SayAndHangUp, token_mint
from campaign.flow.call_events import Hands, receive
from campaign.flow.inbound import InboundAnswer
from campaign.flow.sessions import SessionContext, open_session
from campaign.store import dnc, facts, sweeps
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import ManualClock

MINT = token_mint(b"secret")
THEIRS = "CA" + "7" * 32


async def called_before(db: Database, clock: ManualClock, days: float = 1, **more: Any) -> int:
    """A call of ours to PHONE, some days ago, that nobody answered; returns its attempt's id."""
    at = clock.now() - timedelta(days=days)
    ended = {
        "state": "ended",
        "settled_at": at,
        "ended_at": at,
        "call_status": "no-answer",
        "lease_until": None,
    }
    return await rows.dialled(db, at, call_sid=rows.SID, **{**ended, **more})


async def ring(db: Database, clock: ManualClock, caller: str = rows.PHONE, **more: str) -> InboundAnswer:
    form = {"CallSid": THEIRS, "CallStatus": "ringing", "From": caller, "To": rows.CALLER, **more}
    return await inbound.answer(db, form, clock.now(), marker="theirs", replica="one", mint=MINT)


async def gathered(db: Database, clock: ManualClock, **form: str) -> SayAndHangUp | HangUp:
    base = {"CallSid": THEIRS, "CallStatus": "in-progress"}
    return await inbound.gathered(db, "theirs", {**base, **form}, clock.now())


async def over(db: Database, clock: ManualClock, concluded: str | None = None, **columns: Any) -> None:
    """Their call ends, with what the conversation concluded."""
    await rows.run(
        db,
        "UPDATE attempts SET talk_disposition = :concluded, callback_at = :at WHERE marker = 'theirs'",
        concluded=concluded,
        at=columns.get("callback_at"),
    )
    form = rows.form("completed", 3, clock.now(), sid=THEIRS, CallDuration="40")
    await receive(db, kind="status", marker="theirs", form=form, now=clock.now(), hands=Hands())


async def talk(db: Database, clock: ManualClock) -> SessionContext:
    """The session of who rang back."""
    answer = await ring(db, clock)
    assert isinstance(answer, Converse)
    session = await open_session(db, answer.token, "one", clock.now())
    assert session is not None
    return session


# ── who rings back ─────────────────────────────────────────────────────────────────────────────────────


async def test_who_rings_back_reaches_the_agent_that_knows_what_was_said(
    db: Database, clock: ManualClock
) -> None:
    before = await called_before(db, clock)
    for seq, (speaker, said) in enumerate((("agent", "Is a visit welcome?"), ("person", "Maybe {in} May."))):
        await rows.run(
            db,
            "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, at) "
            "VALUES (:id, :seq, 1, :speaker, :said, :now)",
            id=before, seq=seq, speaker=speaker, said=said, now=clock.now(),
        )  # fmt: skip
    await rows.run(
        db,
        "INSERT INTO answers (attempt_id, question, value, at) VALUES (:id, 'owner', 'true', :now)",
        id=before,
        now=clock.now(),
    )
    session = await talk(db, clock)
    assert session.values["first_name"] == "Ada"
    assert session.answers == {"owner": True}
    (note,) = session.notes
    assert "agent: Is a visit welcome? person: Maybe in May." in note
    assert "owner: yes" in note
    script = session.definition.script
    assert script.lines.disclosure_ai.startswith("Hello, this is {{ agent_name }}, the AI assistant")
    assert script.greeting.startswith("Thank you for calling back.")
    kept = await rows.row(db, "attempts", "kind = 'inbound'")
    assert (kept["phone"], kept["caller_id"], kept["state"], kept["call_sid"]) == (
        rows.PHONE, rows.CALLER, "answered", THEIRS,
    )  # fmt: skip


async def test_the_same_call_asked_about_again_is_kept_once_and_gets_the_same_answer(
    db: Database, clock: ManualClock
) -> None:
    await called_before(db, clock)
    first = await ring(db, clock)
    form = {"CallSid": THEIRS, "CallStatus": "ringing", "From": rows.PHONE, "To": rows.CALLER}
    again = await inbound.answer(db, form, clock.now(), marker="another", replica="two", mint=MINT)
    assert again == first
    assert len(await rows.rows(db, "attempts")) == 2


@pytest.mark.parametrize(
    ("days", "campaign", "known"),
    [(29, "running", True), (29, "stopped", True), (31, "running", False), (1, "failed", False)],
)
async def test_a_call_of_long_ago_or_of_a_failed_campaign_is_answered_as_a_strangers(
    db: Database, clock: ManualClock, days: float, campaign: str, known: bool
) -> None:
    await called_before(db, clock, days, campaign_state=campaign)
    assert isinstance(await ring(db, clock), Converse if known else Gather)


# ── it is no dial ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_call_to_us_counts_as_no_dial_and_keeps_the_number_from_being_dialled(
    db: Database, clock: ManualClock
) -> None:
    await called_before(db, clock)
    await ring(db, clock)
    async with db.connection() as tx:
        tries = (await facts.tried(tx, {rows.PHONE: ()}, clock.now() - timedelta(days=9)))[rows.PHONE]
    assert len(tries.attempts) == 1
    assert tries.unsettled_since == clock.now()
    await over(db, clock)
    async with db.connection() as tx:
        tries = (await facts.tried(tx, {rows.PHONE: ()}, clock.now() - timedelta(days=9)))[rows.PHONE]
    assert (len(tries.attempts), tries.unsettled_since) == (1, None)


async def test_our_own_call_that_rings_meanwhile_is_cancelled(db: Database, clock: ManualClock) -> None:
    await rows.dialled(db, clock.now(), state="ringing", call_sid=rows.SID)
    assert isinstance(await ring(db, clock), Converse)
    async with db.transaction() as tx:
        assert await sweeps.mark_cancels(tx, clock.now()) == 1
    ours = await rows.row(db, "attempts", "kind = 'campaign'")
    assert ours["cancel_why"] == "they_called"
    assert (await rows.row(db, "attempts", "kind = 'inbound'"))["cancel_at"] is None


async def test_what_they_conclude_while_we_ring_them_holds(db: Database, clock: ManualClock) -> None:
    await rows.dialled(db, clock.now(), state="ringing", call_sid=rows.SID)
    await ring(db, clock)
    await over(db, clock, "not_interested")
    assert (await rows.row(db, "campaign_contacts"))["state"] == "calling"
    form = rows.form("no-answer", 3, clock.now())
    await receive(db, kind="status", marker="marker-1", form=form, now=clock.now(), hands=Hands())
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["waiting_for"]) == ("done", "they rang back: not interested")


@pytest.mark.parametrize(
    ("concluded", "state", "disposition"),
    [
        ("interested", "done", "interested"),
        ("not_interested", "done", "not_interested"),
        ("transferred", "done", "transferred"),
        ("callback", "waiting", "callback"),
        ("no_conversation", "waiting", "no_answer"),
        (None, "waiting", "no_answer"),
    ],
)
async def test_a_retry_that_was_planned_follows_what_they_said(
    db: Database, clock: ManualClock, concluded: str | None, state: str, disposition: str
) -> None:
    before = await called_before(db, clock)
    async with db.transaction() as tx:
        await outcomes.close(tx, before, clock.now())
    assert (await rows.row(db, "campaign_contacts"))["state"] == "waiting"
    used = (await rows.row(db, "campaign_contacts"))["attempts"]
    await talk(db, clock)
    at = clock.now() + timedelta(days=2)
    await over(db, clock, concluded, callback_at=at if concluded == "callback" else None)
    contact = await rows.row(db, "campaign_contacts")
    assert (contact["state"], contact["disposition"], contact["attempts"]) == (state, disposition, used)
    if concluded == "callback":
        assert (contact["next_at"], contact["due_for"]) == (at, "callback")
    outcome = await rows.row(db, "outcomes", "attempt_id <> :id", id=before)
    assert outcome["disposition"] == concluded or outcome["disposition"] == "no_conversation"
    assert (outcome["campaign_id"], outcome["abandoned"]) == (None, False)


# ── strangers, and who must not be sold anything ───────────────────────────────────────────────────────


async def test_a_stranger_hears_who_called_and_how_to_stop_it(db: Database, clock: ManualClock) -> None:
    await called_before(db, clock)
    answer = await ring(db, clock, "+12125550177")
    assert isinstance(answer, Gather)
    assert "Example Energy LLC" in answer.text
    assert "press 9" in answer.text
    assert not answer.number


@pytest.mark.parametrize(
    "given", [{"Digits": "9"}, {"SpeechResult": "Please stop calling me."}], ids=["by key", "in words"]
)
async def test_a_stranger_stops_the_calls(db: Database, clock: ManualClock, given: dict[str, str]) -> None:
    await called_before(db, clock)
    await ring(db, clock, "+12125550177")
    answer = await gathered(db, clock, From="+12125550177", **given)
    assert isinstance(answer, SayAndHangUp)
    assert "won't call you again" in answer.text
    async with db.connection() as tx:
        (entry,) = await dnc.check(tx, "+12125550177")
    assert entry.source == "inbound"
    await over(db, clock, "do_not_call")
    attempt = await rows.row(db, "attempts", "kind = 'inbound'")
    outcome = await rows.row(db, "outcomes", "attempt_id = :id", id=attempt["id"])
    assert outcome["disposition"] == Disposition.DO_NOT_CALL.value
    assert len(await rows.rows(db, "conversation_turns")) == 1


@pytest.mark.parametrize("given", [{"Digits": "1"}, {"SpeechResult": "Who are you?"}, {"Digits": ""}])
async def test_a_stranger_who_wants_something_else_hears_where_to_call(
    db: Database, clock: ManualClock, given: dict[str, str]
) -> None:
    await called_before(db, clock)
    await ring(db, clock, "+12125550177")
    answer = await gathered(db, clock, **given)
    assert isinstance(answer, SayAndHangUp)
    assert answer.text.startswith("To reach us, call")
    async with db.connection() as tx:
        assert await dnc.check(tx, "+12125550177") == []
    await over(db, clock)
    attempt = await rows.row(db, "attempts", "kind = 'inbound'")
    outcome = await rows.row(db, "outcomes", "attempt_id = :id", id=attempt["id"])
    assert (outcome["disposition"], outcome["abandoned"]) == ("no_conversation", False)


async def test_who_keeps_the_number_back_keys_it_in(db: Database, clock: ManualClock) -> None:
    await called_before(db, clock)
    answer = await ring(db, clock, "anonymous")
    assert isinstance(answer, Gather)
    assert answer.number
    wrong = await gathered(db, clock, Digits="9")
    assert isinstance(wrong, SayAndHangUp)
    assert "no telephone number" in wrong.text
    done = await gathered(db, clock, Digits="2125550142")
    assert isinstance(done, SayAndHangUp)
    assert "won't call you again" in done.text
    async with db.connection() as tx:
        assert [entry.source for entry in await dnc.check(tx, rows.PHONE)] == ["inbound"]


async def test_who_is_on_the_list_is_identified_to_and_sold_nothing(db: Database, clock: ManualClock) -> None:
    await called_before(db, clock)
    async with db.transaction() as tx:
        own = await dnc.ensure_list(tx, None, dnc.OWN, clock.now())
        await dnc.bulk_add(tx, own, [(rows.PHONE, "asked")], source="cli", actor="test", now=clock.now())
    answer = await ring(db, clock)
    assert isinstance(answer, SayAndHangUp)
    assert "Example Energy LLC" in answer.text
    assert "do-not-call list" in answer.text


async def test_a_number_that_no_campaign_uses_says_no_name(db: Database, clock: ManualClock) -> None:
    answer = await ring(db, clock)
    assert isinstance(answer, SayAndHangUp)
    assert (await rows.row(db, "attempts"))["campaign_id"] is None
