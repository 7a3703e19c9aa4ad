"""Calls at Twilio: place, look up, cancel, hang up, find.

The Calls API has no idempotency key, and an answer can be lost after the phone rang. So every answer to
`place` is one of a closed set, and what is not proven is `UnknownResult`: never dialled again before Twilio
has been asked (`find`). All HTTP goes through transport.py: real time-outs, no retries.
"""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, assert_never

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from campaign.telephony import codes
from campaign.telephony.calls import (
    AccountFacts,
    BadNumber,
    CallerId,
    CallFacts,
    CallNotFound,
    CallRequest,
    ConfigurationFault,
    Leaves,
    NotPlaced,
    NotSent,
    Placed,
    PlaceResult,
    Throttled,
    TooLate,
    TwilioAway,
    TwilioBusy,
    TwilioRefused,
    UnknownResult,
)
from campaign.telephony.codes import Bad, Misconfigured, Scope, Wait
from campaign.telephony.recordings import Recordings
from campaign.telephony.refusals import error_of, masked
from campaign.telephony.transport import (
    CONNECT_SECONDS,
    TOTAL_SECONDS,
    NotSentFault,
    ThrottledFault,
    Transport,
    told_when_sent,
)

__all__ = [
    "AccountFacts",
    "BadNumber",
    "CallFacts",
    "CallNotFound",
    "CallRequest",
    "CallerId",
    "ConfigurationFault",
    "Gateway",
    "Leaves",
    "NotPlaced",
    "NotSent",
    "PlaceResult",
    "Placed",
    "Scope",
    "Throttled",
    "TooLate",
    "TwilioAway",
    "TwilioBusy",
    "TwilioRefused",
    "UnknownResult",
]

ALL_EVENTS = ["initiated", "ringing", "answered", "completed"]
PAGE_SIZE = 100
LARGE_PAGE = 1000
MOST_CALLS = 1000
"""Longest list that `find` reads for one number."""
_MACHINE_DETECTION = {"enable": "Enable", "detect_message_end": "DetectMessageEnd"}
NO_ENVIRONMENT = {"TWILIO_EDGE": "", "TWILIO_REGION": ""}
"""Handed to the library in place of the process's environment (an empty dict would mean the real one):
TWILIO_EDGE or TWILIO_REGION set there would rewrite the host."""


async def _unheard() -> None:
    return None


class Gateway:
    """One Twilio account over one set of connections.

    Args:
        account_sid: AC…
        username, password: the account's SID and auth token, or an API key (SK…) and its secret.
        base_url: scheme and host in place of https://api.twilio.com; None for Twilio.
        connect_seconds, total_seconds: time limits of one request.
    """

    def __init__(
        self,
        account_sid: str,
        username: str,
        password: str,
        base_url: str | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.account_sid = account_sid
        self._transport = Transport(base_url, connect_seconds=connect_seconds, total_seconds=total_seconds)
        self._client = Client(
            username, password, account_sid, http_client=self._transport, environment=NO_ENVIRONMENT
        )
        self.recordings = Recordings(self._client, self._transport, account_sid, (username, password))

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def place(self, request: CallRequest, leaves: Leaves = _unheard) -> PlaceResult:
        """Ask Twilio for one call, once. Never raises for anything that Twilio or the network does.

        Args:
            leaves: see Leaves.
        """
        try:
            with told_when_sent(leaves):
                call = await self._client.calls.create_async(**_create_arguments(request))
            return _placed(call)
        except NotSentFault as fault:
            return NotSent(str(fault))
        except ThrottledFault as fault:
            return Throttled(fault.retry_after, fault.code, str(fault))
        except (TwilioRestException, TwilioServiceException) as refusal:
            return _classified(refusal)
        except Exception as fault:
            # The default is unknown: a cut body raises JSONDecodeError, and whatever else may come, a call
            # may have been placed.
            return UnknownResult(masked(f"The answer of Twilio was lost or unreadable: {fault!r}"))

    async def fetch(self, sid: str) -> CallFacts:
        """What Twilio says of a call now.

        Raises:
            CallNotFound, TwilioRefused, TwilioBusy, TwilioAway.
        """
        try:
            return _facts(await self._client.calls(sid).fetch_async())
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, f"call {sid}") from fault

    async def cancel(self, sid: str) -> CallFacts | None:
        """End a call that is queued or ringing; one that a person has answered goes on.

        Returns the call as it is now, or None when it had already ended (Twilio's 21220: a benign race).

        Raises:
            CallNotFound, TwilioRefused, TwilioBusy, TwilioAway.
        """
        return await self._update(sid, "canceled")

    async def hang_up(self, sid: str) -> CallFacts | None:
        """End a call in whatever state it is; returns and raises like `cancel`."""
        return await self._update(sid, "completed")

    async def find(self, to: str, since: datetime) -> list[CallFacts]:
        """Calls that we placed to a number at or after an instant, newest first.

        Twilio's list filters by start time only to the day, and a call that is still queued has no start
        time; so this lists all calls to the number, and besides those that are queued, and compares the
        time of creation here.

        Raises:
            TwilioRefused, TwilioBusy, TwilioAway: also when the list is longer than MOST_CALLS and holds no
                such call, for then nothing is proven.
        """
        found: dict[str, CallFacts] = {}
        read = 0
        whole_second = since.replace(microsecond=0)  # Twilio's times have no fractions
        try:
            for filters in ({"to": to, "status": "queued"}, {"to": to}):
                async for call in self._listed(**filters):
                    read += 1
                    facts = _facts(call)
                    recent = facts.created_at is None or facts.created_at >= whole_second
                    if recent and facts.to == to and facts.direction in ("outbound-api", ""):
                        found[facts.sid] = facts
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, "the list of calls") from fault
        if not found and read >= MOST_CALLS:
            raise TwilioAway(
                f"Twilio lists more than {MOST_CALLS} calls to this number.",
                "Look it up in Twilio's console.",
            )
        return sorted(found.values(), key=lambda call: (call.created_at or since, call.sid), reverse=True)

    async def placed_since(self, since: datetime) -> AsyncIterator[CallFacts]:
        """All calls that the account placed by API at or after an instant, whatever their number.

        Twilio filters by the UTC day on which a call was dialled, so calls that are still queued are listed
        by themselves; a call that was never dialled and is over is not listed.

        Raises:
            TwilioRefused, TwilioBusy, TwilioAway.
        """
        seen: set[str] = set()
        whole_second = since.replace(microsecond=0)  # Twilio's times have no fractions
        day = since.astimezone(UTC).date().isoformat()
        try:
            for filters in ({"status": "queued"}, {"start_time_after": day}):
                stream = await self._client.calls.stream_async(**filters, page_size=LARGE_PAGE)
                async for call in stream:
                    facts = _facts(call)
                    recent = facts.created_at is None or facts.created_at >= whole_second
                    if recent and facts.direction == "outbound-api" and facts.sid not in seen:
                        seen.add(facts.sid)
                        yield facts
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, "the list of calls") from fault

    async def account(self) -> AccountFacts:
        """The account behind the credentials.

        Raises:
            TwilioRefused, TwilioBusy, TwilioAway.
        """
        try:
            account = await self._client.api.v2010.accounts(self.account_sid).fetch_async()
            return AccountFacts(
                _text(account.sid), _text(account.friendly_name), _text(account.status), _text(account.type)
            )
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, "the account") from fault

    async def caller_ids(self, phone: str | None = None) -> list[CallerId]:
        """Numbers that calls may come from.

        Args:
            phone: only this one, E.164; None for all (the first thousand of each kind).
        Raises:
            TwilioRefused, TwilioBusy, TwilioAway.
        """
        asked: dict[str, Any] = {"limit": MOST_CALLS} | ({} if phone is None else {"phone_number": phone})
        try:
            owned = await self._client.incoming_phone_numbers.list_async(**asked)
            verified = await self._client.outgoing_caller_ids.list_async(**asked)
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, "the account's numbers") from fault
        ids = {_text(n.phone_number): CallerId(_text(n.phone_number), "verified") for n in verified}
        ids |= {_text(n.phone_number): _owned(n) for n in owned}
        return sorted((one for one in ids.values() if phone in (None, one.phone)), key=lambda one: one.phone)

    async def answered_by_us(self, number: CallerId) -> str:
        """What Twilio asks when somebody calls a number: its voice URL, or its TwiML application's.

        Raises:
            TwilioRefused, TwilioBusy, TwilioAway.
        """
        if not number.application:
            return number.voice_url
        try:
            return _text((await self._client.applications(number.application).fetch_async()).voice_url)
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, f"application {number.application}") from fault

    async def point(self, number: CallerId, url: str) -> None:
        """Have Twilio ask `url` when somebody calls the number.

        Raises:
            TwilioRefused, TwilioBusy, TwilioAway.
        """
        try:
            await self._client.incoming_phone_numbers(number.sid).update_async(
                voice_url=url, voice_method="POST", voice_application_sid=""
            )
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, f"number {masked(number.phone)}") from fault

    async def _update(self, sid: str, status: str) -> CallFacts | None:
        try:
            return _facts(await self._client.calls(sid).update_async(status=status))
        except Exception as fault:  # every fault of library and network becomes one of ours
            if getattr(fault, "code", None) == codes.CALL_STATE_FORBIDS:
                return None
            raise error_of(fault, f"call {sid}") from fault

    async def _listed(self, **filters: str) -> AsyncIterator[Any]:
        stream = await self._client.calls.stream_async(**filters, page_size=PAGE_SIZE, limit=MOST_CALLS)
        async for call in stream:
            yield call


def _owned(number: Any) -> CallerId:
    application = _text(number.voice_application_sid)
    phone, sid, url = _text(number.phone_number), _text(number.sid), _text(number.voice_url)
    return CallerId(phone, "owned", sid, url, application)


def _create_arguments(request: CallRequest) -> dict[str, object]:
    arguments: dict[str, object] = {
        "to": request.to,
        "from_": request.from_,
        "url": request.url,
        "status_callback": request.status_callback,
        "status_callback_event": ALL_EVENTS,
        "timeout": request.ring_timeout_s,
        "time_limit": request.time_limit_s,
    }
    if request.fallback_url is not None:
        arguments["fallback_url"] = request.fallback_url
    if request.machine_detection != "off":
        arguments |= {
            "machine_detection": _MACHINE_DETECTION[request.machine_detection],
            "async_amd": "true",  # a string: the library would render a bool as "True"
            "async_amd_status_callback": request.amd_callback,
        }
    return arguments


def _placed(call: Any) -> Placed | UnknownResult:
    sid = call.sid
    if not isinstance(sid, str) or not re.fullmatch(r"CA[0-9a-fA-F]{32}", sid):
        return UnknownResult("Twilio accepted the call but named no SID.")
    return Placed(sid, call.status if isinstance(call.status, str) else "queued")


def _classified(refusal: Any) -> PlaceResult:
    code = refusal.code if isinstance(refusal.code, int) else refusal.status
    if refusal.status >= 500 or refusal.status < 400:
        # Twilio's page on 20500: after a 500 the call may exist all the same.
        return UnknownResult(f"Twilio answered {refusal.status} (code {code}).", code)
    match codes.VERDICTS.get(code):
        case None:
            said = getattr(refusal, "msg", None) or getattr(refusal, "title", "")
            return UnknownResult(masked(f"Twilio answered {refusal.status} with code {code}: {said}"), code)
        case Bad(sentence, once_more):
            return BadNumber(code, f"{sentence} ({code})", once_more)
        case Misconfigured(scope, sentence, do):
            return ConfigurationFault(code, f"{sentence} ({code})", scope, do)
        case Wait(sentence):
            return Throttled(None, code, f"{sentence} ({code})")
        case verdict:
            assert_never(verdict)


def _facts(call: Any) -> CallFacts:
    if not isinstance(call.sid, str) or not isinstance(call.status, str):
        raise TypeError("a call without sid or status")
    return CallFacts(
        sid=call.sid,
        status=call.status,
        to=_text(call.to),
        from_=_text(call._from),
        direction=_text(call.direction),
        created_at=_instant(call.date_created),
        started_at=_instant(call.start_time),
        ended_at=_instant(call.end_time),
        duration_s=_whole(call.duration),
        price=_money(call.price),
        price_unit=call.price_unit if isinstance(call.price_unit, str) else None,
        answered_by=call.answered_by if isinstance(call.answered_by, str) else None,
        queue_ms=_whole(call.queue_time),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _instant(value: object) -> datetime | None:
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def _whole(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _money(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
