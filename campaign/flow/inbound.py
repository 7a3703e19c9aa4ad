"""Calls to us: whoever rings back reaches the agent of the campaign that called, which knows what was said.

Strangers, withheld numbers and numbers on a do-not-call list are told who called and can stop the calls;
nothing is sold to them. Each call is an attempt of kind `inbound`: it has a transcript and an outcome, but is
no dial, uses no budget, and while it lasts its number is not dialled (domain/rules.py, store/sweeps.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import structlog

from campaign.domain import inbound as words
from campaign.domain import opt_out as wishes
from campaign.domain import phone
from campaign.domain import script as scripts
from campaign.domain.campaign import CampaignDefinition
from campaign.domain.disposition import MEANING, Disposition
from campaign.domain.inbound import Earlier
from campaign.domain.phone import PhoneNumber
from campaign.domain.redaction import redact
from campaign.domain.script import Script
from campaign.flow import inbox, made_with
from campaign.flow.answers import Converse, Gather, HangUp, Mint, SayAndHangUp, spelled
from campaign.flow.suppress import Asked, opt_out_in
from campaign.store import attempts, conversations, sessions
from campaign.store import inbound as store
from campaign.store.attempts import Attempt
from campaign.store.conversations import TurnRow
from campaign.store.database import Database, Tx
from campaign.telephony import webhooks
from campaign.telephony.webhooks import WITHHELD

log = structlog.get_logger(__name__)

LONGEST_AGO: Final = timedelta(days=365)
"""No campaign answers for calls before that; each may choose less (`[script.inbound] days`)."""
OPT_OUT_KEY: Final = "9"
NOBODYS_LINE: Final = "This is an automated calling service. Goodbye."
"""On a number that no campaign uses."""

InboundAnswer = Converse | Gather | SayAndHangUp | HangUp


async def answer(
    db: Database, form: Mapping[str, str], now: datetime, *, marker: str, replica: str, mint: Mint
) -> InboundAnswer:
    """What a call to one of our numbers hears. The same request again gets the same answer.

    Args:
        form: the fields of the voice webhook.
        marker: for the call's record, unless it has one: 256 random bits.
        replica: of this process.
        mint: makes the session's token.

    Raises:
        DatabaseUnavailable: the caller hears an apology.
    """
    call = webhooks.incoming(form)
    async with db.transaction() as tx:
        behind = await store.behind(tx, call.caller, call.called, now - LONGEST_AGO)
        await store.write(
            tx,
            marker=marker,
            call_sid=call.call_sid,
            caller=call.caller or WITHHELD,
            called=call.called,
            behind=behind,
            replica=replica,
            now=now,
        )
        attempt = await attempts.by_sid(tx, call.call_sid, lock=True)
        if attempt is None or attempt.kind != "inbound" or attempt.settled:
            return HangUp("the call is over, or is none to us")
        await inbox.take(tx, "incoming", attempt.marker, form, now)
        definition = await made_with.definition(tx, attempt)
        if definition is None:
            return SayAndHangUp(NOBODYS_LINE, "stranger", "en-US")
        last_call_at = behind.last_call_at if behind is not None else None
        log.info("called_by", attempt=attempt.id, campaign=attempt.campaign_id, known=bool(last_call_at))
        return await _received(tx, attempt, definition, now, mint, last_call_at)


async def _received(
    tx: Tx,
    attempt: Attempt,
    definition: CampaignDefinition,
    now: datetime,
    mint: Mint,
    last_call_at: datetime | None,
) -> InboundAnswer:
    own, language = words.lines(definition.script.language), definition.script.language
    if attempt.phone == WITHHELD:
        text = _say(own.withheld, definition)
        return Gather(text, _say(own.goodbye, definition), attempt.marker, language, number=True)
    if await attempts.on_dnc(tx, attempt.id):
        return SayAndHangUp(_say(own.listed, definition), "do_not_call", language)
    recent = last_call_at is not None and now - last_call_at <= timedelta(days=definition.script.inbound.days)
    if not recent:
        text = _say(own.stranger, definition)
        return Gather(text, _say(own.goodbye, definition), attempt.marker, language, number=False)
    token = mint(attempt.marker, 1)
    if not await sessions.expect(tx, attempt.id, 1, token, now):
        return HangUp("the conversation of this call has begun already")
    return Converse(attempt.id, attempt.marker, 1, token, definition.script)


def _say(line: str, definition: CampaignDefinition) -> str:
    seller = definition.seller
    number = seller.opt_out_number or seller.callback_number
    return line.format(name=seller.legal_name.rstrip("."), number=spelled(number))


async def gathered(
    db: Database, marker: str, form: Mapping[str, str], now: datetime
) -> SayAndHangUp | HangUp:
    """What follows when a stranger has pressed a key, keyed in a number, or said something.

    Raises:
        DatabaseUnavailable: the caller hears an apology; nothing was promised yet.
    """
    async with db.transaction() as tx:
        attempt = await attempts.by_marker(tx, marker, lock=True)
        if attempt is None or attempt.kind != "inbound" or attempt.call_sid != webhooks.call_sid(form):
            return HangUp("no call to us has this marker")
        definition = await made_with.definition(tx, attempt)
        if definition is None:
            return HangUp("no campaign uses this number any more")
        language, own = definition.script.language, words.lines(definition.script.language)
        keys, said = webhooks.keys(form), webhooks.speech(form)
        if await inbox.take(tx, "gathered", marker, form, now) is not None:
            await _keep_said(tx, attempt, keys, said, now)
        if attempt.phone == WITHHELD:
            number = phone.parse(keys, definition.regions[0].partition("-")[0])
            if not isinstance(number, PhoneNumber):
                return SayAndHangUp(_say(own.no_number, definition), "stranger", language)
            wish, quote = number.e164, "keyed in the number in a call to us"
        else:
            found = wishes.recognise(said, language) if said else None
            if keys != OPT_OUT_KEY and found is None:
                return SayAndHangUp(_say(own.goodbye, definition), "stranger", language)
            wish = attempt.phone
            quote = redact(found.quote, (wish,)) if found is not None else f"pressed {OPT_OUT_KEY}"
        asked = Asked(wish, quote, "inbound", f"system:attempt {attempt.id}", now, attempt.id)
        await opt_out_in(tx, asked, now)
        await store.concluded(tx, attempt.id, Disposition.DO_NOT_CALL.value)
        log.info("opt_out_inbound", attempt=attempt.id, phone=phone.mask(wish))
        return SayAndHangUp(scripts.lines(definition.script).opt_out_acknowledged, "do_not_call", language)


async def _keep_said(tx: Tx, attempt: Attempt, keys: str, said: str, now: datetime) -> None:
    """The transcript of a call without a conversation."""
    spoken = [("person", said)] if said else [("key", keys)] if keys else []
    rows = [
        TurnRow(attempt.id, seq, 0, speaker, _kept(text, attempt), False, None, now)
        for seq, (speaker, text) in enumerate(spoken, start=1)
    ]
    conversations.write_turns(tx, rows)


def _kept(text: str, attempt: Attempt) -> str:
    return redact(text.replace("\0", ""), (attempt.phone,))


# ── the conversation of who rings back ─────────────────────────────────────────────────────────────────


def spoken_to_caller(script: Script) -> Script:
    """The script as it is spoken to somebody who calls us."""
    disclosure, greeting = words.spoken_first(script.inbound, script.language)
    lines = msgspec.structs.replace(script.lines, disclosure_ai=disclosure)
    return msgspec.structs.replace(script, lines=lines, greeting=greeting)


async def background(tx: Tx, attempt: Attempt, zone: ZoneInfo) -> tuple[str, dict[str, object]]:
    """What the agent should know of the calls before, in words, and the answers given in them."""
    before = await store.earlier(tx, attempt.id)
    ids = [call.attempt_id for call in before]
    said, answers = await store.said(tx, ids), await store.answered(tx, ids)
    told = [
        Earlier(call.at.astimezone(zone), _ending(call.disposition), said.get(call.attempt_id, ()))
        for call in before
    ]
    return words.background(told, answers), answers


def _ending(disposition: str | None) -> str:
    return MEANING[Disposition(disposition)].words if disposition else "how it ended is not known yet"
