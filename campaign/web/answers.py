"""What the flow decided about a call, as the document that Twilio is given."""

from typing import assert_never

from campaign.flow.answers import (
    Converse,
    Gather,
    HangUp,
    LeaveQueue,
    PutTogether,
    Queue,
    SayAndHangUp,
    Transfer,
    Wait,
    Whisper,
)
from campaign.telephony import twiml
from campaign.telephony.addresses import Addresses
from campaign.wiring import Services

Spoken = Converse | Gather | SayAndHangUp | HangUp
HandedOver = Transfer | Queue | Whisper | Wait | LeaveQueue | PutTogether


def rendered(answer: Spoken | HandedOver, services: Services) -> str:
    """The TwiML of what the flow decided."""
    addresses = Addresses(services.settings.public_url or "")
    match answer:
        case Converse(_, marker, ordinal, token, script):
            return twiml.connect_relay(
                script,
                url=addresses.relay(token),
                action=addresses.action(marker, ordinal),
                parameters={"attempt": marker, "session": str(ordinal)},
            )
        case SayAndHangUp(text, _, language):
            return twiml.say_and_hang_up(text, language)
        case Gather(text, otherwise, marker, language, number):
            action = addresses.gathered(marker)
            return twiml.gather(text, otherwise, action=action, number=number, language=language)
        case HangUp():
            return twiml.hang_up()
        case Transfer(to, caller_id, marker, ordinal, ring_s, warm):
            return twiml.dial(
                to,
                action=addresses.dial(marker, ordinal),
                caller_id=caller_id,
                ring_timeout_s=ring_s,
                whisper=addresses.whisper(marker, ordinal) if warm else None,
            )
        case Queue(workflow, task, marker, ordinal):
            return twiml.enqueue(
                workflow,
                task,
                action=addresses.queue(marker, ordinal),
                wait=addresses.wait(marker, ordinal),
            )
        case Whisper(text, key, marker, ordinal, language):
            return twiml.whisper(
                text, accept_key=key, accept=addresses.accept(marker, ordinal), language=language
            )
        case Wait(text, language):
            return twiml.keep_waiting(text, language)
        case LeaveQueue():
            return twiml.leave_queue()
        case PutTogether():
            return twiml.nothing()
        case _:
            assert_never(answer)
