"""The answer to Twilio's fetch of the TwiML: the last gate, at the moment when somebody has picked up.

Turned away are calls that we don't know, that are over for us, that are another call than the attempt's, and
people who were put on a do-not-call list, or whose calling window closed, while it rang: those hear who
called and how to stop the calls, and are counted as abandoned. A pause, a stop or a spent budget cancels what
is queued or rings, but never cuts a call that a person has answered.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

import structlog

from campaign.domain.attempt import AttemptEvent
from campaign.domain.campaign import CampaignDefinition, VoicemailPolicy
from campaign.domain.phrases import primary
from campaign.domain.script import render
from campaign.flow import inbox, made_with
from campaign.flow.answers import Converse, HangUp, Mint, SayAndHangUp, spelled, spoken_values
from campaign.flow.call_events import is_machine
from campaign.store import attempts, events, sessions
from campaign.store.attempts import AnotherCall, Attempt, Told
from campaign.store.database import Database, Tx
from campaign.telephony import webhooks

log = structlog.get_logger(__name__)

VoiceAnswer = Converse | SayAndHangUp | HangUp


async def answer(
    db: Database, marker: str, form: Mapping[str, str], now: datetime, *, mint: Mint
) -> VoiceAnswer:
    """What the call does now that it is answered.

    Args:
        marker: of the attempt, from the path.
        form: the form's fields; the call's sid binds it to the attempt.
        mint: makes the session's token.

    Raises:
        DatabaseUnavailable: the caller says sorry and hangs up.
    """
    async with db.transaction() as tx:
        taken = await inbox.take(tx, "twiml", marker, form, now)
        attempt = taken.attempt if taken else await attempts.by_marker(tx, marker, lock=True)
        refused = _refused(attempt, form, now)
        if attempt is None or refused:
            log.warning(
                "call_refused", attempt=attempt and attempt.id, call=webhooks.call_sid(form), why=refused
            )
            if taken is not None:
                await events.mark_handled(tx, taken.event_id, now, refused)
            return HangUp(refused)
        told = Told(
            at=now,
            event=AttemptEvent.ANSWERED,
            call_sid=webhooks.call_sid(form),
            call_status="in-progress",
            answered_by=webhooks.told(form).answered_by,
        )
        attempt = await attempts.apply_locked(tx, attempt, told, now)
        definition = await made_with.definition(tx, attempt)
        if definition is None:
            log.error("no_definition", attempt=attempt.id)
            return HangUp("the attempt's campaign definition is gone")
        turned_away = await _turned_away(tx, attempt, definition, now)
        if turned_away is not None:
            return turned_away
        if is_machine(attempt.answered_by):
            machine = await _machine(tx, attempt, definition, now)
            if machine is not None:
                return machine
        token = mint(marker, 1)
        if not await sessions.expect(tx, attempt.id, 1, token, now):
            return HangUp("the conversation of this call has begun already")
        return Converse(attempt.id, marker, 1, token, definition.script)


def _refused(attempt: Attempt | None, form: Mapping[str, str], now: datetime) -> str:
    """Why a call gets no word: unknown, over, or another call than the attempt's; empty when it does."""
    sid = webhooks.call_sid(form)
    if attempt is None:
        return events.UNKNOWN_MARKER
    if not sid:
        return "the request names no call"
    if attempt.settled:
        return f"the attempt is over ({attempt.state.value})"
    try:
        attempts.merged(attempt, Told(at=now, call_sid=sid), now)
    except AnotherCall as error:
        return str(error)
    return ""


async def _turned_away(
    tx: Tx, attempt: Attempt, definition: CampaignDefinition, now: datetime
) -> SayAndHangUp | None:
    if await attempts.on_dnc(tx, attempt.id):
        why = "do_not_call"
    elif attempt.window_closes_at is not None and now >= attempt.window_closes_at:
        why = "window"
    else:
        return None
    await attempts.turn_away(tx, attempt.id, why)
    log.info("turned_away", attempt=attempt.id, why=why)
    return SayAndHangUp(identification(definition), why, definition.script.language)


async def _machine(
    tx: Tx, attempt: Attempt, definition: CampaignDefinition, now: datetime
) -> VoiceAnswer | None:
    """A machine whose verdict is known before the TwiML: per the campaign's policy; None: talk to it."""
    match definition.voicemail.policy:
        case VoicemailPolicy.TALK:
            return None
        case VoicemailPolicy.LEAVE_MESSAGE if (attempt.answered_by or "").startswith("machine_end"):
            message = await voicemail(tx, attempt, definition)
            await sessions.record_recovery(
                tx, attempt.id, 0, answer="voicemail", why="a machine answered", session_status=None,
                error_code=None, now=now,
            )  # fmt: skip
            return SayAndHangUp(message, "voicemail", definition.script.language)
        case VoicemailPolicy.LEAVE_MESSAGE | VoicemailPolicy.HANG_UP:
            return HangUp("a machine answered")
        case policy:
            assert_never(policy)


def identification(definition: CampaignDefinition) -> str:
    """Who called and how to stop the calls, for a person who is turned away (47 CFR 64.1200(a)(7)(i)(A))."""
    seller = definition.seller
    template = _IDENTIFICATION.get(primary(definition.script.language), _IDENTIFICATION["en"])
    number = seller.opt_out_number or seller.callback_number
    name = seller.legal_name.rstrip(".")  # every template ends a sentence with it
    return template.format(name=name, number=spelled(number))


_IDENTIFICATION = {
    "en": "This is a call from {name}. To stop these calls, call {number}. Goodbye.",
    "es": "Esta es una llamada de {name}. Para no recibir más llamadas, llame al {number}. Adiós.",
    "fr": "Ceci est un appel de {name}. Pour ne plus recevoir d'appels, composez le {number}. Au revoir.",
    "de": "Dies ist ein Anruf von {name}. Um keine Anrufe mehr zu erhalten, rufen Sie {number} an. "
    "Auf Wiederhören.",
    "it": "Questa è una chiamata di {name}. Per non ricevere più chiamate, chiami il {number}. Arrivederci.",
    "pt": "Esta é uma chamada de {name}. Para não receber mais chamadas, ligue para {number}. Até logo.",
    "nl": "Dit is een oproep van {name}. Om niet meer gebeld te worden, belt u {number}. Tot ziens.",
    "pl": "Dzwonimy w imieniu {name}. Aby nie otrzymywać więcej telefonów, proszę zadzwonić pod {number}. "
    "Do widzenia.",
    "hi": "यह {name} की ओर से कॉल है। आगे कॉल न पाने के लिए {number} पर कॉल करें। नमस्ते।",
}


async def voicemail(tx: Tx, attempt: Attempt, definition: CampaignDefinition) -> str:
    """The campaign's message for a machine, with the contact's values in it."""
    values = await spoken_values(tx, attempt, definition)
    return render(definition.script.voicemail or identification(definition), values)
