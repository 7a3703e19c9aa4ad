"""What a call does next when its session is over: Twilio's `<Connect action>`.

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
from campaign.flow import handover, inbox, made_with, outcomes
from campaign.flow.answers import (
    Converse,
    HangUp,
    Mint,
    Queue,
    SayAndHangUp,
    Transfer,
    not_ours,
    resume,
    with_own,
)
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.store import attempts, sessions
from campaign.store.attempts import Attempt, Told
from campaign.store.database import Database, Tx
from campaign.store.sessions import Around
from campaign.telephony import webhooks
from campaign.telephony.webhooks import SessionOver

log = structlog.get_logger(__name__)

ActionAnswer = Converse | Transfer | Queue | SayAndHangUp | HangUp


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
        form: the form's fields (telephony/webhooks.py reads them).
        mint: makes the next session's token.
        terms: for an outcome that this settles.

    Raises:
        DatabaseUnavailable: the caller says sorry and hangs up.
    """
    async with db.transaction() as tx:
        over = webhooks.session_over(form)
        before = await attempts.by_marker(tx, marker, lock=True)
        around = await sessions.around(tx, before.id, ordinal) if before else None
        why = not_ours(before, around, ordinal, over.call_sid, now)
        if before is None or around is None or why:
            log.warning("action_refused", call=over.call_sid, why=why)
            return HangUp(why)
        taken = await inbox.take(tx, "action", marker, form, now, ordinal)
        attempt = await attempts.apply_locked(tx, before, _told(over, now), now)
        await sessions.close(tx, attempt.id, ordinal, over.why, now, over.session_id)
        definition = await made_with.definition(tx, attempt)
        if definition is None:
            return HangUp("the attempt's campaign definition is gone")
        chosen = await _choose(tx, attempt, around, ordinal, over, definition, now, mint)
        if attempt.settled and (taken is not None or attempt != before):
            await outcomes.close(tx, attempt.id, now, terms)
        return chosen


def _told(over: SessionOver, now: datetime) -> Told:
    """The call's status in this request; a session that was opened proves that the call was answered."""
    if over.call_status in ("", "in-progress", "ringing"):
        return Told(at=now, event=AttemptEvent.ANSWERED, call_sid=over.call_sid, call_status="in-progress")
    return Told.of_status(over.call_status, now, call_sid=over.call_sid)


async def _choose(
    tx: Tx,
    attempt: Attempt,
    around: Around,
    ordinal: int,
    over: SessionOver,
    definition: CampaignDefinition,
    now: datetime,
    mint: Mint,
) -> ActionAnswer:
    values = with_own(around.variables, definition)
    machines_talk = definition.voicemail.policy is VoicemailPolicy.TALK
    leaves = definition.voicemail.policy is VoicemailPolicy.LEAVE_MESSAGE
    talk = Disposition(attempt.talk_disposition) if attempt.talk_disposition else None
    heard = "machine_greeting" if talk is Disposition.MACHINE else None
    chosen, why = recovery.answer(
        session_status=over.status,
        error_code=over.error_code,
        call_status="completed" if attempt.settled else over.call_status,
        given=recovery.handoff(over.handoff),
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
            session_status=over.status or None,
            error_code=over.error_code,
            now=now,
            target=chosen.key if isinstance(chosen, recovery.Transfer) else None,
        )
        log.info("session_over", attempt=attempt.id, session=ordinal, answer=kind, why=why)
    elif given_before != kind:
        # Something new was learnt since the first answer; the question is the same, and so is the answer.
        chosen = recovery.Resume() if given_before == "resume" else recovery.HangUp()
    match chosen:
        case recovery.Resume():
            return await resume(tx, attempt, ordinal + 1, definition, now, mint)
        case recovery.Transfer(key):
            return await handover.answer(tx, attempt, ordinal, definition, key, around.variables)
        case recovery.Voicemail(text):
            return SayAndHangUp(text, "voicemail", definition.script.language)
        case recovery.Goodbye(text):
            return SayAndHangUp(text, "goodbye", definition.script.language)
        case recovery.HangUp():
            return HangUp(why)
