"""Hand-over of a call to a human: whom it goes to, what they are told, and what follows when it is over.

Only a human who took the call makes its outcome `transferred`. When nobody does, the agent comes back in a
new session of the same call and offers a callback, once; a second time the person hears an apology.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import structlog

from campaign.domain import recovery, transfers
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.transfers import TransferTarget
from campaign.flow import inbox, made_with, outcomes
from campaign.flow.answers import (
    Converse,
    HangUp,
    LeaveQueue,
    Mint,
    PutTogether,
    Queue,
    SayAndHangUp,
    Transfer,
    Wait,
    Whisper,
    not_ours,
    resume,
    with_own,
)
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.store import attempts, conversations, events, sessions
from campaign.store.attempts import Attempt
from campaign.store.database import Database, Tx
from campaign.telephony import webhooks
from campaign.telephony.webhooks import TransferOver

log = structlog.get_logger(__name__)

AfterTransfer = Converse | SayAndHangUp | HangUp


async def answer(
    tx: Tx,
    attempt: Attempt,
    ordinal: int,
    definition: CampaignDefinition,
    key: str,
    variables: Mapping[str, str],
) -> Transfer | Queue:
    """Where a call goes whose session ended with a transfer.

    Args:
        ordinal: of the session that ended.
        key: of the script's target.
        variables: the contact's columns.
    """
    target = definition.script.transfers[key]
    if target.workflow:
        language, first_name = definition.script.language, variables.get("first_name", "")
        told = transfers.task(
            definition.name, attempt.id, first_name, await _answers(tx, attempt, definition), language
        )
        return Queue(target.workflow, msgspec.json.encode(told).decode(), attempt.marker, ordinal)
    return Transfer(
        target.to, attempt.caller_id, attempt.marker, ordinal, target.ring_seconds, target.mode == "warm"
    )


async def _answers(tx: Tx, attempt: Attempt, definition: CampaignDefinition) -> dict[str, str]:
    kinds = {question.key: question.kind for question in definition.script.questions}
    return transfers.safe_answers(await conversations.answers(tx, attempt.id), kinds)


# ── while it rings, and while the person waits ─────────────────────────────────────────────────────────


async def whisper(db: Database, marker: str, ordinal: int, form: Mapping[str, str]) -> Whisper | HangUp:
    """What a target hears, alone, who has just answered.

    Raises:
        DatabaseUnavailable: the target's leg is dropped.
    """
    async with db.connection() as tx:
        found = await _handed_over(tx, marker, ordinal, webhooks.parent_sid(form))
        if isinstance(found, HangUp):
            return found
        attempt, definition, target = found
        text = transfers.summary(
            definition.seller.legal_name,
            (await attempts.variables_of(tx, attempt)).get("first_name", ""),
            await _answers(tx, attempt, definition),
            target.accept_key,
            definition.script.language,
        )
    return Whisper(text, target.accept_key, marker, ordinal, definition.script.language)


async def accept(
    db: Database, marker: str, ordinal: int, form: Mapping[str, str], now: datetime
) -> PutTogether | HangUp:
    """Whether the target pressed the key that takes the call.

    Raises:
        DatabaseUnavailable: the target's leg is dropped.
    """
    async with db.transaction() as tx:
        found = await _handed_over(tx, marker, ordinal, webhooks.parent_sid(form))
        if isinstance(found, HangUp):
            return found
        if webhooks.keys(form) != found[2].accept_key:
            return HangUp("the target did not press the key")
        await inbox.take(tx, "accept", marker, form, now, ordinal)
        return PutTogether()


async def wait(db: Database, marker: str, ordinal: int, form: Mapping[str, str]) -> Wait | LeaveQueue:
    """What a person hears in the queue; after the target's longest wait they leave it.

    Raises:
        DatabaseUnavailable: the person goes on waiting.
    """
    async with db.connection() as tx:
        found = await _handed_over(tx, marker, ordinal, webhooks.call_sid(form))
    if isinstance(found, HangUp):
        return LeaveQueue()
    _, definition, target = found
    if webhooks.waited_seconds(form) >= target.queue_seconds:
        return LeaveQueue()
    return Wait(transfers.waiting_line(definition.script.language), definition.script.language)


async def _handed_over(
    tx: Tx, marker: str, ordinal: int, call_sid: str
) -> tuple[Attempt, CampaignDefinition, TransferTarget] | HangUp:
    """The attempt whose session ended with a transfer that is under way, its definition and the target."""
    attempt = await attempts.by_marker(tx, marker)
    if attempt is None or attempt.settled or not call_sid or attempt.call_sid != call_sid:
        return HangUp("no call of ours is being put through")
    around = await sessions.around(tx, attempt.id, ordinal)
    definition = await made_with.definition(tx, attempt)
    target = definition.script.transfers.get(around.transfer or "") if definition else None
    if definition is None or target is None:
        return HangUp("that session did not end with a transfer")
    return attempt, definition, target


# ── when it is over ────────────────────────────────────────────────────────────────────────────────────


async def over(
    db: Database,
    marker: str,
    ordinal: int,
    form: Mapping[str, str],
    now: datetime,
    *,
    mint: Mint,
    terms: Terms = REAL_TIME,
) -> AfterTransfer:
    """What the call does when its hand-over is over: nothing more when a human took it, else the agent is
    back. The same question gets the same answer.

    Args:
        form: of a `<Dial action>` or an `<Enqueue action>`.
        mint: makes the next session's token.
        terms: for an outcome that this makes a transfer.

    Raises:
        DatabaseUnavailable: the caller says sorry and hangs up.
    """
    async with db.transaction() as tx:
        attempt = await attempts.by_marker(tx, marker, lock=True)
        around = await sessions.around(tx, attempt.id, ordinal) if attempt else None
        why = not_ours(attempt, around, ordinal, webhooks.call_sid(form), now)
        if attempt is None or around is None or why:
            log.warning("transfer_end_refused", call=webhooks.call_sid(form), why=why)
            return HangUp(why)
        ended = webhooks.transfer_over(form)
        await inbox.take(tx, _kind(form), marker, form, now, ordinal)
        definition = await made_with.definition(tx, attempt)
        if definition is None:
            return HangUp("the attempt's campaign definition is gone")
        taken = await _taken(
            tx, attempt, ordinal, ended, definition.script.transfers.get(around.transfer or "")
        )
        await sessions.set_became(tx, attempt.id, ordinal, f"transfer: {ended.word or 'over'}", now)
        if taken:
            await conversations.put_through(tx, attempt.id)
            await outcomes.close(tx, attempt.id, now, terms)
        if attempt.settled or not webhooks.in_progress(form):
            return HangUp("the call is over")
        values = with_own(around.variables, definition)
        following, why = recovery.after_transfer(
            taken, around.transfers_before, ordinal - 1, definition.script, values
        )
        log.info("transfer_over", attempt=attempt.id, session=ordinal, word=ended.word, taken=taken)
        match following:
            case recovery.Resume():
                return await resume(tx, attempt, ordinal + 1, definition, now, mint)
            case recovery.Goodbye(text):
                return SayAndHangUp(text, "goodbye", definition.script.language)
            case _:
                return HangUp(why)


def _kind(form: Mapping[str, str]) -> str:
    return "queue" if webhooks.is_of_queue(form) else "dial"


async def _taken(
    tx: Tx, attempt: Attempt, ordinal: int, ended: TransferOver, target: TransferTarget | None
) -> bool:
    """Whether a human took the call; where a key was asked for, only who pressed it."""
    if not ended.taken:
        return False
    if target is None or not target.accept_key or ended.bridged:
        return True
    return await events.has(tx, attempt.id, "accept", ordinal)
