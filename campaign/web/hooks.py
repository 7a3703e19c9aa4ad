"""Twilio's webhooks: verified, then answered fast.

A request is believed when Twilio signed it over PUBLIC_URL + path with our auth token (never over what the
request's own headers claim), when it holds the fields that its kind must have (the signature joins fields
without a separator, so one could pose as another), and when it is about our account. Each event takes effect
once, in any order (flow/call_events.py).

Whoever waits on the line never hears silence or Twilio's error message: when Postgres stays away for three
seconds, or something fails in us, they hear a short apology and the line is dropped.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, Path, Request, Response

from campaign.domain.errors import BadInput, BadSignature, DatabaseUnavailable, Unavailable
from campaign.flow import action, call_events, handover, inbound, voice
from campaign.flow.answers import token_mint
from campaign.flow.call_events import Hands
from campaign.telephony import addresses as at
from campaign.telephony import signature, twiml, webhooks
from campaign.telephony.addresses import Addresses
from campaign.telephony.webhooks import Kind
from campaign.web.answers import rendered
from campaign.web.deps import With
from campaign.web.metrics import Metrics
from campaign.wiring import Services, token

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 3.0
"""How long a person on the line waits for Postgres; Twilio itself would wait 15 s."""
RETRY_SECONDS = 0.25
EVENTS_AT_ONCE = 5
"""Events handled at once, half of the connections: the others are kept for whoever waits on the line. An
event may wait, for Twilio gives it 15 s."""
EVENT_PATIENCE_SECONDS = 10.0
SORRY = "We are sorry, a technical problem keeps us from talking to you now. Goodbye."

router = APIRouter(include_in_schema=False)

Marker = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{1,100}$")]
Ordinal = Annotated[int, Path(ge=0, le=1000)]
Form = Mapping[str, str]
_CALL_SID = re.compile("CA[0-9a-fA-F]{32}")


@dataclass(frozen=True, slots=True)
class _Counted:
    """A webhook on its way, for the metrics."""

    kind: Kind
    metrics: Metrics
    begun: float

    def answered(self, answer: str) -> None:
        self.metrics.webhooks.labels(self.kind, answer).inc()
        self.metrics.webhook_seconds.labels(self.kind).observe(time.perf_counter() - self.begun)


async def _verified(request: Request, services: Services, kind: Kind, path: str) -> Form:
    """The form's fields, of a request that is Twilio's.

    Raises:
        BadInput: no form, or not all of its kind's fields.
        BadSignature: not signed by Twilio with our token for this address, or about another account.
    """
    settings = services.settings
    try:
        fields = signature.parse_form(await request.body())
    except ValueError:
        raise BadInput("The request's body is no form.") from None
    url = Addresses(settings.public_url or "").at(path)
    given = request.headers.get(signature.HEADER)
    if request.url.query or not signature.valid(url, fields, given, settings.auth_tokens):
        log.warning("webhook_refused", kind=kind, url=url, signed=given is not None)
        raise BadSignature(
            "The request is not signed by Twilio for this address.",
            "PUBLIC_URL must be the address that Twilio uses, and TWILIO_AUTH_TOKEN the account's.",
        )
    form = dict(fields)
    if webhooks.account_sid(form) != settings.twilio_account_sid:
        raise BadSignature("The request is about another Twilio account.")
    missing = [name for name in webhooks.REQUIRED[kind] if name not in form]
    if missing or not _CALL_SID.fullmatch(webhooks.call_sid(form)):
        raise BadInput(f"The request lacks {', '.join(missing) or 'its call'}.")
    return form


def _counting(request: Request, kind: Kind) -> _Counted:
    return _Counted(kind, request.app.state.metrics, time.perf_counter())


# ── events: nobody waits for what we say ───────────────────────────────────────────────────────────────


async def _event(
    request: Request,
    services: Services,
    kind: Literal["status", "amd", "recording"],
    marker: str,
    path: str,
) -> Response:
    counted = _counting(request, kind)
    form = await _verified(request, services, kind, path)
    await _received(services, kind, marker, form, counted, request.app.state.events_at_once)
    counted.answered("taken")
    return Response(status_code=204)


@asynccontextmanager
async def _turn(events: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of the events that are handled at once.

    Raises:
        TimeoutError: too many are ahead.
    """
    async with asyncio.timeout(EVENT_PATIENCE_SECONDS):
        await events.acquire()
    try:
        yield
    finally:
        events.release()


async def _received(
    services: Services,
    kind: call_events.Kind,
    marker: str,
    form: Form,
    counted: _Counted,
    events_at_once: asyncio.Semaphore,
) -> None:
    """Into the inbox; with Postgres away Twilio is asked to send it again."""
    hands = Hands(on_machine=services.talks.on_machine, gateway=services.gateway, terms=services.terms)
    try:
        async with _turn(events_at_once):
            await call_events.receive(
                services.db, kind=kind, marker=marker, form=form, now=services.clock.now(), hands=hands
            )
    except (DatabaseUnavailable, TimeoutError):
        counted.answered("again")
        raise Unavailable("The event can't be kept now.", "Send it again.") from None


@router.post(at.STATUS)
async def status(request: Request, services: With, marker: Marker) -> Response:
    """A call's status event."""
    return await _event(request, services, "status", marker, at.STATUS.format(marker=marker))


@router.post(at.AMD)
async def amd(request: Request, services: With, marker: Marker) -> Response:
    """The machine detection's verdict."""
    return await _event(request, services, "amd", marker, at.AMD.format(marker=marker))


@router.post(at.RECORDING)
async def recording(request: Request, services: With, marker: Marker) -> Response:
    """A recording's status event."""
    return await _event(request, services, "recording", marker, at.RECORDING.format(marker=marker))


# ── TwiML: a person may be on the line ─────────────────────────────────────────────────────────────────


@router.post(at.VOICE)
async def voice_twiml(request: Request, services: With, marker: Marker) -> Response:
    """What an answered call does."""
    counted = _counting(request, "voice")
    form = await _verified(request, services, "voice", at.VOICE.format(marker=marker))

    async def answer() -> str:
        mint = token_mint(services.secret)
        given = await voice.answer(services.db, marker, form, services.clock.now(), mint=mint)
        return rendered(given, services)

    return await _spoken(answer, counted)


@router.post(at.INCOMING)
async def incoming_twiml(request: Request, services: With) -> Response:
    """What a call to one of our numbers hears."""
    counted = _counting(request, "incoming")
    form = await _verified(request, services, "incoming", at.INCOMING)
    marker = token()

    async def answer() -> str:
        given = await inbound.answer(
            services.db,
            form,
            services.clock.now(),
            marker=marker,
            replica=services.replica.id,
            mint=token_mint(services.secret),
        )
        return rendered(given, services)

    return await _spoken(answer, counted)


@router.post(at.GATHERED)
async def gathered_twiml(request: Request, services: With, marker: Marker) -> Response:
    """What follows when a caller has pressed a key or said something."""
    counted = _counting(request, "gathered")
    form = await _verified(request, services, "gathered", at.GATHERED.format(marker=marker))

    async def answer() -> str:
        return rendered(await inbound.gathered(services.db, marker, form, services.clock.now()), services)

    return await _spoken(answer, counted)


@router.post(at.ACTION)
async def action_twiml(request: Request, services: With, marker: Marker, ordinal: Ordinal) -> Response:
    """What a call does when its conversation session is over."""
    counted = _counting(request, "action")
    path = at.ACTION.format(marker=marker, ordinal=ordinal)
    form = await _verified(request, services, "action", path)

    async def answer() -> str:
        mint = token_mint(services.secret)
        given = await action.answer(
            services.db, marker, ordinal, form, services.clock.now(), mint=mint, terms=services.terms
        )
        return rendered(given, services)

    return await _spoken(answer, counted)


@router.post(at.DIAL)
async def dial_twiml(request: Request, services: With, marker: Marker, ordinal: Ordinal) -> Response:
    """What a call does when its transfer is over, or failed."""
    return await _handed_over(request, services, "dial", at.DIAL, marker, ordinal)


@router.post(at.QUEUE)
async def queue_twiml(request: Request, services: With, marker: Marker, ordinal: Ordinal) -> Response:
    """What a call does that has left a queue of humans."""
    return await _handed_over(request, services, "queue", at.QUEUE, marker, ordinal)


async def _handed_over(
    request: Request,
    services: Services,
    kind: Literal["dial", "queue"],
    path: str,
    marker: str,
    ordinal: int,
) -> Response:
    counted = _counting(request, kind)
    form = await _verified(request, services, kind, path.format(marker=marker, ordinal=ordinal))

    async def answer() -> str:
        mint, now = token_mint(services.secret), services.clock.now()
        given = await handover.over(services.db, marker, ordinal, form, now, mint=mint, terms=services.terms)
        return rendered(given, services)

    return await _spoken(answer, counted)


@router.post(at.WAIT)
async def wait_twiml(request: Request, services: With, marker: Marker, ordinal: Ordinal) -> Response:
    """What a person hears who waits in a queue."""
    counted = _counting(request, "wait")
    form = await _verified(request, services, "wait", at.WAIT.format(marker=marker, ordinal=ordinal))

    async def answer() -> str:
        return rendered(await handover.wait(services.db, marker, ordinal, form), services)

    return await _spoken(answer, counted, twiml.leave_queue())


@router.post(at.WHISPER)
async def whisper_twiml(request: Request, services: With, marker: Marker, ordinal: Ordinal) -> Response:
    """What the target of a transfer hears alone."""
    counted = _counting(request, "whisper")
    form = await _verified(request, services, "whisper", at.WHISPER.format(marker=marker, ordinal=ordinal))

    async def answer() -> str:
        return rendered(await handover.whisper(services.db, marker, ordinal, form), services)

    return await _spoken(answer, counted, twiml.hang_up())


@router.post(at.ACCEPT)
async def accept_twiml(request: Request, services: With, marker: Marker, ordinal: Ordinal) -> Response:
    """Whether the target of a transfer is put through, now that a key was pressed."""
    counted = _counting(request, "accept")
    form = await _verified(request, services, "accept", at.ACCEPT.format(marker=marker, ordinal=ordinal))

    async def answer() -> str:
        now = services.clock.now()
        return rendered(await handover.accept(services.db, marker, ordinal, form, now), services)

    return await _spoken(answer, counted, twiml.hang_up())


async def _spoken(
    answer: Callable[[], Awaitable[str]], counted: _Counted, otherwise: str | None = None
) -> Response:
    """TwiML within a person's patience, whatever happens; `otherwise`: in place of our apology."""
    sorry = twiml.say_and_hang_up(SORRY) if otherwise is None else otherwise
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            document, said = await _once_postgres_answers(answer), "twiml"
    except TimeoutError:
        log.error("webhook_database_away", kind=counted.kind)
        document, said = sorry, "sorry"
    except Exception:  # a person is on the line: whatever failed, they get a sentence
        log.exception("webhook_failed", kind=counted.kind)
        document, said = sorry, "sorry"
    counted.answered(said)
    return Response(document, media_type=twiml.CONTENT_TYPE)


async def _once_postgres_answers(answer: Callable[[], Awaitable[str]]) -> str:
    while True:
        try:
            return await answer()
        except DatabaseUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
