"""What came of the calls: attempts, transcripts, outcomes, decisions."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaign.domain.errors import NotFound
from campaign.flow.end_call import end_call
from campaign.store import browse
from campaign.store.browse import Filters
from campaign.web.auth import API, SignedIn, actor_of, guard
from campaign.web.deps import Page, Paged, With, page_of
from campaign.web.problems import responses

router = APIRouter(prefix=API, tags=["Results"], dependencies=[guard], responses=responses())

Id = Annotated[int, Path(ge=1, lt=2**63)]
Number = Annotated[
    str | None,
    Query(pattern=r"^\+[1-9][0-9]{5,14}$", description="E.164 number", examples=["+12025550123"]),
]


class _FromRow(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Attempt(_FromRow):
    """One try to reach one number."""

    id: int
    campaign_id: int | None = Field(description="null for a test call")
    campaign: str | None = Field(description="the campaign's name")
    campaign_contact_id: int | None
    contact_id: int | None
    phone: str = Field(examples=["+12025550123"])
    caller_id: str
    kind: str = Field(examples=["campaign"], description="campaign, test, or inbound: they called us")
    due_for: str = Field(examples=["first"], description="first, retry or callback")
    number: int = Field(description="which attempt of this contact it was, from 1")
    state: str = Field(
        examples=["ended"],
        description="placing, unknown, placed, ringing, answered; final: ended, not_placed",
    )
    intent_at: datetime
    placed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    call_sid: str | None
    call_status: str | None = Field(description="Twilio's own word")
    answered_by: str | None
    sip_code: int | None
    error_code: int | None
    error: str | None
    duration_s: int | None = Field(description="seconds, of an answered call")
    first_word_ms: int | None = Field(description="answer to our first word, milliseconds")
    disposition: str | None = Field(description="null while the attempt is not settled")
    category: str | None = Field(description="success, neutral or failure")
    summary: str | None = Field(description="in plain sentences, redacted")
    summary_by: str | None = Field(examples=["rule"], description="rule, or the model profile that wrote it")
    data: dict[str, Any] | None = Field(description="answers gathered, by question")
    cost: float | None
    final: bool | None = Field(description="false: a retry or callback is planned")
    retry_at: datetime | None


class End(BaseModel):
    """A reason for the call's record."""

    model_config = ConfigDict(extra="forbid")

    why: str = Field(default="", max_length=300)


class Ended(BaseModel):
    """How the call comes to its end."""

    attempt_id: int
    politely: bool = Field(description="it says goodbye first; false: the line drops within two seconds")
    again: bool = Field(description="its end was asked for before")


class Turn(_FromRow):
    """One thing that was said, as heard; card, identity and e-mail numbers are removed."""

    seq: int
    session_ordinal: int
    speaker: str = Field(examples=["person"], description="agent, person, key (a key was pressed), note")
    text: str
    interrupted: bool = Field(description="the person cut in; the text ends where they did")
    latency_ms: int | None = Field(description="end of the person's turn to our first words, milliseconds")
    at: datetime


class Session(_FromRow):
    """One connection of the conversation; a call that was resumed has several."""

    ordinal: int
    session_sid: str | None
    agent: str | None
    opened_at: datetime | None
    closed_at: datetime | None
    closed_why: str | None
    first_word_ms: int | None
    disclosed: bool


class Answer(_FromRow):
    """One question's answer, typed as the campaign asks for it."""

    question: str
    value: Any
    at: datetime
    made_by: str = Field(examples=["talk"], description="talk, or the profile of the wrap-up that found it")
    was: Any = Field(description="what the talk had gathered, where a wrap-up corrected it; else null")


class Recovery(_FromRow):
    """A conversation that broke off or ended: what the call did next, and what became of it."""

    session_ordinal: int
    session_status: str | None
    error_code: int | None
    why: str
    answer: str = Field(examples=["resume"])
    became: str | None
    at: datetime


class Transcript(BaseModel):
    """All of one call's conversation, in order."""

    attempt_id: int
    turns: list[Turn]
    sessions: list[Session]
    answers: list[Answer]
    recoveries: list[Recovery]


class Outcome(_FromRow):
    """How an attempt ended; there is exactly one for each."""

    attempt_id: int
    campaign_id: int | None
    campaign: str | None
    campaign_contact_id: int | None
    contact_id: int | None
    phone: str
    disposition: str = Field(examples=["interested"])
    category: str = Field(examples=["success"])
    answered_by: str | None
    seconds: int
    first_word_ms: int | None
    data: dict[str, Any]
    summary: str = Field(description="in plain sentences, redacted; empty when nobody talked with us")
    summary_by: str = Field(examples=["rule"], description="rule, or the model profile that wrote it")
    cost: float | None
    cost_lines: dict[str, Any]
    final: bool
    retry_at: datetime | None
    abandoned: bool
    recorded_at: datetime


class Decision(_FromRow):
    """Why a contact was called, deferred or blocked: every rule's verdict."""

    id: int
    campaign_id: int
    campaign_contact_id: int
    phone: str
    verdict: str = Field(examples=["defer"], description="allow, defer or block")
    until_at: datetime | None
    reasons: Any = Field(description="the rules and what each said")
    packs: Any = Field(description="the rule packs that applied")
    facts: dict[str, Any]
    decided_at: datetime = Field(description="of a dial: the attempt's intent_at")
    made_with: str | None = Field(
        examples=["tzdata 2026.6, phonenumbers 9.0.43, holidays 0.108"],
        description="versions of the data that rules are read by",
    )


def _filters(
    campaign_id: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    phone: Number = None,
    since: Annotated[AwareDatetime | None, Query(description="at or after this instant")] = None,
    until: Annotated[AwareDatetime | None, Query(description="before this instant")] = None,
) -> Filters:
    return Filters(campaign_id=campaign_id, phone=phone, since=since, until=until)


Wanted = Annotated[Filters, Depends(_filters)]
Word = Annotated[str | None, Query(max_length=40, pattern="^[a-z_]+$")]


@router.get("/attempts", summary="List attempts, newest first", responses=responses(400))
async def list_attempts(
    services: With,
    asked: Paged,
    wanted: Wanted,
    state: Word = None,
    disposition: Word = None,
    category: Word = None,
) -> Page[Attempt]:
    """Filter by campaign, number, state, disposition, category and time of the intent."""
    filters = Filters(
        wanted.campaign_id, wanted.phone, state, disposition, category, None, wanted.since, wanted.until
    )
    async with services.db.connection() as tx:
        rows = await browse.attempt_page(tx, filters, asked.after, asked.limit + 1)
    return page_of([Attempt(**row) for row in rows], asked, [row["id"] for row in rows])


@router.get("/attempts/{attempt_id}", summary="One attempt", responses=responses(404))
async def get_attempt(services: With, attempt_id: Id) -> Attempt:
    """The attempt with its outcome, if it has one yet."""
    async with services.db.connection() as tx:
        row = await browse.attempt(tx, attempt_id)
    if row is None:
        raise _no_attempt(attempt_id)
    return Attempt(**row)


@router.post("/attempts/{attempt_id}/end", summary="End one call", responses=responses(404, 409))
async def post_end(
    services: With, key: SignedIn, attempt_id: Id, body: Annotated[End, Body()] = End()
) -> Ended:
    """Queued or ringing it is cancelled, answered it is hung up on: after a goodbye where this process holds
    the conversation, else at once. The contact is called again only as the campaign's retries say."""
    ending = await end_call(
        services.db,
        services.talks,
        attempt_id,
        actor=actor_of(key),
        now=services.clock.now(),
        why=body.why,
        clock_rate=services.clock.rate,
    )
    return Ended(attempt_id=ending.attempt_id, politely=ending.politely, again=ending.again)


@router.get(
    "/attempts/{attempt_id}/transcript", summary="What was said in one call", responses=responses(404)
)
async def get_transcript(services: With, attempt_id: Id) -> Transcript:
    """Turns as heard, the sessions they were said in, the answers gathered and the recoveries between.

    During a call it grows; what was just said is written within 200 ms.
    """
    async with services.db.connection() as tx:
        if await browse.attempt(tx, attempt_id) is None:
            raise _no_attempt(attempt_id)
        found = await browse.transcript(tx, attempt_id)
    return Transcript(
        attempt_id=attempt_id,
        turns=[Turn(**row) for row in found["turns"]],
        sessions=[Session(**row) for row in found["sessions"]],
        answers=[Answer(**row) for row in found["answers"]],
        recoveries=[Recovery(**row) for row in found["recoveries"]],
    )


@router.get("/outcomes", summary="List outcomes, newest first", responses=responses(400))
async def list_outcomes(
    services: With, asked: Paged, wanted: Wanted, disposition: Word = None, category: Word = None
) -> Page[Outcome]:
    """Filter by campaign, number, disposition, category and time of recording."""
    filters = Filters(
        wanted.campaign_id, wanted.phone, None, disposition, category, None, wanted.since, wanted.until
    )
    async with services.db.connection() as tx:
        rows = await browse.outcome_page(tx, filters, asked.after, asked.limit + 1)
    return page_of([Outcome(**row) for row in rows], asked, [row["attempt_id"] for row in rows])


@router.get("/decisions", summary="List decisions, newest first", responses=responses(400))
async def list_decisions(
    services: With, asked: Paged, wanted: Wanted, verdict: Word = None
) -> Page[Decision]:
    """The decision of each dial, and each deferral or block that differed from the contact's one before.

    Filter by campaign, number and verdict.
    """
    filters = Filters(wanted.campaign_id, wanted.phone, None, None, None, verdict, wanted.since, wanted.until)
    async with services.db.connection() as tx:
        rows = await browse.decision_page(tx, filters, asked.after, asked.limit + 1)
    return page_of([Decision(**row) for row in rows], asked, [row["id"] for row in rows])


def _no_attempt(attempt_id: int) -> NotFound:
    return NotFound(f"There is no attempt {attempt_id}.", "GET /api/v1/attempts lists them.")
