"""What a conversation knows of its call: loaded once, when its socket's single-use token is used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from campaign.domain.campaign import CampaignDefinition
from campaign.domain.conversation import Resumed
from campaign.domain.dialogue import Turn
from campaign.domain.disposition import Disposition
from campaign.domain.place import Place, zones_named
from campaign.domain.recovery import HANDED_OVER
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import next_legal
from campaign.domain.tools import Answer, NextCallable
from campaign.domain.transfers import not_taken_line
from campaign.flow import facts, inbound, made_with
from campaign.flow.answers import spoken_values
from campaign.store import attempts, conversations, sessions
from campaign.store.attempts import Attempt
from campaign.store.conversations import Opened, TurnRow
from campaign.store.database import Database, Tx

UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class SessionContext:
    """Everything that a conversation needs to know of its call.

    Args:
        attempt_id, marker, phone, call_sid: of the attempt; the sid binds the socket to it.
        ordinal: of the session within the call, from 1.
        definition: the campaign's, of the attempt's version.
        values: variables of the script.
        zone: the person's own time zone, as well as it is known.
        resumed: what earlier sessions left.
        opened_at: when the token was used.
        longest: clock seconds until it must have closed politely, before Twilio cuts the line.
        notes: what the agent should know from before this call.
        answers: given in calls before, by question key.
        recorded: a recording of the call has begun.
    """

    attempt_id: int
    marker: str
    phone: str
    call_sid: str | None
    ordinal: int
    definition: CampaignDefinition
    values: Mapping[str, str]
    zone: ZoneInfo
    resumed: Resumed | None
    opened_at: datetime
    longest: float
    next_callable: NextCallable | None = None
    """When the person may be called again, by the rules of their place and the campaign's schedule."""
    notes: tuple[str, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    recorded: bool = False


async def open_session(
    db: Database, token: str, replica: str, now: datetime, rulebook: Rulebook | None = None
) -> SessionContext | None:
    """Use a socket's single-use token and load what its conversation needs; None: refuse the socket.

    Args:
        token: from the socket's path.
        replica: of this process.
        now: the clock's instant.
        rulebook: by which callbacks are promised; None: in the daytime.

    Raises:
        DatabaseUnavailable: refuse the socket; `<Connect action>` asks what to do.
    """
    async with db.transaction() as tx:
        opened = await conversations.open_once(tx, token, replica, now)
        if opened is None:
            return None
        attempt = await attempts.by_id(tx, opened.attempt_id)
        definition = await made_with.definition(tx, attempt) if attempt else None
        if attempt is None or definition is None:
            return None
        zone = zone_of(opened.said_zone, opened.place)
        notes: tuple[str, ...] = ()
        answers: Mapping[str, Answer] = {}
        if attempt.kind == "inbound":
            note, before = await inbound.background(tx, attempt, zone)
            answers = _typed(before)
            notes = (note,)
            script = inbound.spoken_to_caller(definition.script)
            definition = msgspec.structs.replace(definition, script=script)
        resumed = None
        if opened.ordinal > 1:
            why, target = await sessions.why_resumed(tx, attempt.id, opened.ordinal - 1)
            resumed = _resumed(
                await conversations.turns(tx, attempt.id),
                await conversations.answers(tx, attempt.id),
                opened.ordinal,
                attempt.talk_disposition,
                handed_over=why == HANDED_OVER,
                not_taken=_not_taken(definition, target),
            )
        return SessionContext(
            attempt_id=attempt.id,
            marker=attempt.marker,
            phone=attempt.phone,
            call_sid=attempt.call_sid,
            ordinal=opened.ordinal,
            definition=definition,
            values=await spoken_values(tx, attempt, definition),
            zone=zone,
            resumed=resumed,
            opened_at=now,
            longest=definition.conversation_seconds - (now - (attempt.answered_at or now)).total_seconds(),
            next_callable=await _next_callable(tx, attempt, definition, opened, rulebook, now),
            notes=notes,
            answers=answers,
            recorded=attempt.recording_sid is not None,
        )


async def _next_callable(
    tx: Tx,
    attempt: Attempt,
    definition: CampaignDefinition,
    opened: Opened,
    rulebook: Rulebook | None,
    now: datetime,
) -> NextCallable | None:
    """The hours in which this person may be called again; None for a test call, whose owner needs none."""
    if attempt.campaign_id is None or rulebook is None or not opened.place:
        return None
    policy = await facts.policy_of(tx, attempt.campaign_id, definition, now)
    if policy is None:
        return None
    number, place = facts.whereabouts(attempt.phone, "", opened.place, opened.said_zone)

    def next_callable(at: datetime) -> datetime | None:
        return next_legal(place, policy, rulebook, at, kind=number.kind)

    return next_callable


LEFT_BY_EVERY_SESSION = frozenset({Disposition.NO_CONVERSATION, Disposition.COMPLETED})
"""What a session concludes by ending, whatever was said."""


def _resumed(
    rows: list[TurnRow],
    answers: Mapping[str, object],
    ordinal: int,
    concluded: str | None,
    *,
    handed_over: bool,
    not_taken: str,
) -> Resumed:
    turns = tuple(
        msgspec.convert(
            {
                "seq": row.seq,
                "speaker": row.speaker,
                "text": row.text,
                "at": 0.0,
                "interrupted": row.interrupted,
                "latency_ms": row.latency_ms,
            },
            Turn,
        )
        for row in rows
    )
    known = _typed(answers)
    before = Disposition(concluded) if concluded else None
    disposition = None if before in LEFT_BY_EVERY_SESSION else before
    return Resumed(turns, known, ordinal, disposition, handed_over, not_taken)


def _typed(answers: Mapping[str, object]) -> dict[str, Answer]:
    return {key: value for key, value in answers.items() if isinstance(value, str | int | float | bool)}


def _not_taken(definition: CampaignDefinition, target: str | None) -> str:
    """What to say about the hand-over that nobody took; empty when there was none."""
    found = definition.script.transfers.get(target or "")
    return "" if found is None else not_taken_line(found, definition.script.language)


def zone_of(said: str | None, place: str | None) -> ZoneInfo:
    """One zone of those where the person may be: what was said, else the westernmost, so that "today" and
    "tomorrow" are never a day ahead of theirs."""
    if said:
        found = zones_named(said)
        if found:
            return ZoneInfo(found[0])
    zones = Place.from_key(place).zones if place else ()
    return ZoneInfo(zones[-1]) if zones else UTC_ZONE
