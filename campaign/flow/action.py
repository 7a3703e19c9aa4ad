"""What a call does next when its session, or its transfer, is over: Twilio's `<Connect action>` and
`<Dial action>`.

The same question asked twice gets the same answer, whichever replica is asked: what was answered is a row of
its own, unique by attempt and session, and tokens are derived, not drawn (flow/answers.py). Each row says
why, and later what became of it.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog

from campaign.domain import recovery
from campaign.domain.attempt import AttemptEvent
from campaign.domain.campaign import CampaignDefinition, VoicemailPolicy
from campaign.domain.disposition import CONCLUDED, Disposition
from campaign.flow import made_with, outcomes
from campaign.flow.answers import Converse, HangUp, Mint, SayAndHangUp, Transfer, with_own
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.store import attempts, conversations, events, sessions
from campaign.store.attempts import AnotherCall, Attempt, Told
from campaign.store.database import Database, Tx
from campaign.store.sessions import Around

log = structlog.get_logger(__name__)

ActionAnswer = Converse | Transfer | SayAndHangUp | HangUp


async def answer(
    db: Database,
    marker: str,
    ordinal: int,
    form: Mapping[str, str],
    now: datetime,
    *,
    mint: Mint,
    terms: Terms = REAL_TIME,
) -> ActionAnswer:
    """What the call does now that a session is over.

    Args:
        marker, ordinal: of the attempt and the session, from the path.
        form: the form's fields: SessionStatus, CallStatus and, where they apply, ErrorCode, HandoffData.
        mint: makes the next session's token.
        terms: for an outcome that this settles.

    Raises:
        DatabaseUnavailable: the caller says sorry and hangs up.
    """
    async with db.transaction() as tx:
        before = await attempts.by_marker(tx, marker, lock=True)
        around = await sessions.around(tx, before.id, ordinal) if before else None
        why = _not_ours(before, around, ordinal, form, now)
        if before is None or around is None or why:
            log.warning("action_refused", call=form.get("CallSid"), why=why)
            return HangUp(why)
        taken = await events.take(tx, "action", marker, {**form, "ordinal": str(ordinal)}, now)
        attempt = await attempts.apply_locked(tx, before, _told(form, now), now)
        await sessions.close(tx, attempt.id, ordinal, _closed_why(form), now, form.get("SessionId") or None)
        definition = await made_with.definition(tx, attempt)
        if definition is None:
            return HangUp("the attempt's campaign definition is gone")
        chosen = await _choose(tx, attempt, around, ordinal, form, definition, now, mint)
        if attempt.settled and (taken is not None or attempt != before):
            await outcomes.close(tx, attempt.id, now, terms)
        return chosen


async def after_transfer(
    db: Database,
    marker: str,
    ordinal: int,
    form: Mapping[str, str],
    now: datetime,
    *,
    terms: Terms = REAL_TIME,
) -> ActionAnswer:
    """What the call does when its transfer is over: nothing more, or an apology when nobody took it.

    Args:
        form: DialCallStatus, DialCallSid, DialCallDuration and the usual fields.
        terms: for an outcome that this corrects: who was put through to nobody was not transferred.

    Raises:
        DatabaseUnavailable: the caller says sorry and hangs up.
    """
    async with db.transaction() as tx:
        attempt = await attempts.by_marker(tx, marker, lock=True)
        around = await sessions.around(tx, attempt.id, ordinal) if attempt else None
        why = _not_ours(attempt, around, ordinal, form, now)
        if attempt is None or around is None or why:
            log.warning("transfer_end_refused", call=form.get("CallSid"), why=why)
            return HangUp(why)
        status = form.get("DialCallStatus", "")
        await events.take(tx, "dial", marker, {**form, "ordinal": str(ordinal)}, now)
        await sessions.set_became(tx, attempt.id, ordinal, f"transfer: {status or 'over'}", now)
        if status and not recovery.taken(status):
            await conversations.not_put_through(tx, attempt.id)
            await outcomes.close(tx, attempt.id, now, terms)
        definition = await made_with.definition(tx, attempt)
        if definition is None or form.get("CallStatus", "in-progress") != "in-progress":
            return HangUp("the call is over")
        values = with_own(around.variables, definition)
        following, why = recovery.after_transfer(status, definition.script, values)
        if isinstance(following, recovery.Goodbye):
            return SayAndHangUp(following.text, "goodbye", definition.script.language)
        return HangUp(why)


def _not_ours(
    attempt: Attempt | None, around: Around | None, ordinal: int, form: Mapping[str, str], now: datetime
) -> str:
    """Why the question is not about a session of ours; empty when it is."""
    if attempt is None or around is None:
        return "no attempt has this marker"
    if not form.get("CallSid"):
        return "the request names no call"
    try:
        attempts.merged(attempt, Told(at=now, call_sid=form["CallSid"]), now)
    except AnotherCall as error:
        return str(error)
    if not around.expected:
        return f"attempt {attempt.id} has no session {ordinal}"
    return ""


def _told(form: Mapping[str, str], now: datetime) -> Told:
    """The call's status in this request; a session that was opened proves that the call was answered."""
    status = form.get("CallStatus", "")
    if status in ("", "in-progress"):
        return Told(at=now, event=AttemptEvent.ANSWERED, call_sid=form["CallSid"], call_status="in-progress")
    return Told.of_status(status, now, call_sid=form["CallSid"])


def _closed_why(form: Mapping[str, str]) -> str:
    parts = (form.get("SessionStatus"), form.get("ErrorCode"), form.get("ErrorMessage"))
    return " ".join(part for part in parts if part)[:200] or "over"


async def _choose(
    tx: Tx,
    attempt: Attempt,
    around: Around,
    ordinal: int,
    form: Mapping[str, str],
    definition: CampaignDefinition,
    now: datetime,
    mint: Mint,
) -> ActionAnswer:
    code = form.get("ErrorCode", "")
    values = with_own(around.variables, definition)
    machines_talk = definition.voicemail.policy is VoicemailPolicy.TALK
    leaves = definition.voicemail.policy is VoicemailPolicy.LEAVE_MESSAGE
    talk = Disposition(attempt.talk_disposition) if attempt.talk_disposition else None
    heard = "machine_greeting" if talk is Disposition.MACHINE else None
    chosen, why = recovery.answer(
        session_status=form.get("SessionStatus", ""),
        error_code=int(code) if code.isascii() and code.isdigit() else None,
        call_status="completed" if attempt.settled else form.get("CallStatus", ""),
        given=recovery.handoff(form.get("HandoffData")),
        resumes_so_far=ordinal - 1,
        script=definition.script,
        values=values,
        voicemail="leave_message" if leaves else "hang_up",
        answered_by=None if machines_talk else attempt.answered_by or heard,
        opted_out=talk is Disposition.DO_NOT_CALL or around.on_dnc,
        concluded=talk in CONCLUDED,
    )
    kind: str = recovery.ANSWERS[type(chosen)]
    given_before = around.answered
    if given_before is None:
        await sessions.record_recovery(
            tx,
            attempt.id,
            ordinal,
            answer=kind,
            why=why,
            session_status=form.get("SessionStatus") or None,
            error_code=int(code) if code.isascii() and code.isdigit() else None,
            now=now,
        )
        log.info("session_over", attempt=attempt.id, session=ordinal, answer=kind, why=why)
    elif given_before != kind:
        # Something new was learnt since the first answer; the question is the same, and so is the answer.
        chosen = recovery.Resume() if given_before == "resume" else recovery.HangUp()
    match chosen:
        case recovery.Resume():
            if talk is Disposition.TRANSFERRED:
                await conversations.not_put_through(tx, attempt.id)
            token = mint(attempt.marker, ordinal + 1)
            await sessions.expect(tx, attempt.id, ordinal + 1, token, now)
            return Converse(attempt.id, attempt.marker, ordinal + 1, token, definition.script)
        case recovery.Transfer(_, to):
            return Transfer(to, attempt.caller_id, attempt.marker, ordinal)
        case recovery.Voicemail(text):
            return SayAndHangUp(text, "voicemail", definition.script.language)
        case recovery.Goodbye(text):
            return SayAndHangUp(text, "goodbye", definition.script.language)
        case recovery.HangUp():
            return HangUp(why)
