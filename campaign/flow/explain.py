"""The whole story of one number: who it is, what forbids or delays calling it, and what was done.

For each campaign in which it waits or is blocked, the decision is made afresh, by the same rules and from
the same facts as the dialler's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from campaign.domain import campaign as definitions
from campaign.domain.budget import Rates
from campaign.domain.decision import Decision
from campaign.domain.phone import PhoneNumber
from campaign.domain.place import Place, locate
from campaign.domain.rulebook import Rulebook
from campaign.domain.rules import decide
from campaign.flow import facts
from campaign.flow.happenings import happenings
from campaign.store import claims, decisions, dnc, lookups, story
from campaign.store.database import Database, Tx
from campaign.store.decisions import KeptDecision
from campaign.store.dnc import Hit
from campaign.store.lookups import LookupRow
from campaign.store.story import ContactRow, Enrolment, Happening, TriedRow


@dataclass(frozen=True, slots=True)
class CampaignPart:
    """The number in one campaign.

    Args:
        now: the decision as it would be made now; None when the contact neither waits nor is blocked.
        kept: the decisions that were kept, oldest first.
    """

    enrolment: Enrolment
    attempts_allowed: int
    now: Decision | None
    kept: Sequence[KeptDecision]


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a number at one instant. `happenings`: attempt id → what happened in it."""

    number: PhoneNumber
    place: Place
    at: datetime
    contacts: Sequence[ContactRow]
    dnc: Sequence[Hit]
    campaigns: Sequence[CampaignPart]
    attempts: Sequence[TriedRow]
    happenings: Mapping[int, Sequence[Happening]] = field(default_factory=dict)
    lookups: Sequence[LookupRow] = ()

    @property
    def known(self) -> bool:
        """Whether anything at all is stored about it."""
        return bool(self.contacts or self.dnc or self.campaigns or self.attempts or self.lookups)


async def explain(
    db: Database,
    number: PhoneNumber,
    now: datetime,
    *,
    rulebook: Rulebook,
    rates: Rates,
    campaign: str | None = None,
) -> Story:
    """Gather the story of a number.

    Args:
        now: the instant for which waiting contacts are judged afresh.
        campaign: the name of the only campaign to tell of; None for all.
    """
    async with db.connection() as tx:
        contacts = await story.contacts_with(tx, number.e164)
        enrolled = await story.enrolments(tx, [one.id for one in contacts], number.e164)
        if campaign is not None:
            enrolled = [one for one in enrolled if one.campaign == campaign]
        attempts = await story.attempts_for(tx, number.e164, [one.row.id for one in enrolled])
        if campaign is not None:
            attempts = [one for one in attempts if one.campaign == campaign]
        happened: dict[int, list[Happening]] = {}
        for one in await happenings(tx, [attempt.id for attempt in attempts]):
            happened.setdefault(one.attempt_id, []).append(one)
        place = locate(number)
        for contact in contacts:
            place = place.union(
                facts.whereabouts(number.e164, contact.phone, contact.place, contact.said_zone)[1]
            )
        return Story(
            number,
            place,
            now,
            contacts,
            await dnc.check(tx, number.e164),
            await _campaigns(tx, enrolled, now, rulebook, rates),
            attempts,
            happened,
            await lookups.of_phone(tx, number.e164),
        )


async def _campaigns(
    tx: Tx, enrolled: Sequence[Enrolment], now: datetime, rulebook: Rulebook, rates: Rates
) -> list[CampaignPart]:
    if not enrolled:
        return []
    texts = await claims.definitions(tx, [(one.row.campaign_id, one.version) for one in enrolled])
    defined = {campaign_id: definitions.stored(text) for (campaign_id, _), text in texts.items()}
    kept = await decisions.of_contacts(tx, [one.row.id for one in enrolled])
    parts = []
    for one in enrolled:
        definition = defined[one.row.campaign_id]
        decision = None
        if one.state in ("waiting", "blocked"):
            # each alone: what one contact may use up is not taken from the next
            standing = await facts.situation(
                tx,
                {one.row.campaign_id: definition},
                now,
                rates=rates,
                abandonment=facts.AbandonmentCounts(),
                rulebook=rulebook,
            )
            (known,) = await facts.gather(tx, [one.row], standing, now)
            decision = decide(known, rulebook, now)
        parts.append(CampaignPart(one, definition.retry.budget, decision, kept.get(one.row.id, ())))
    return parts


def to_json(told: Story) -> dict[str, Any]:
    """The story as plain values for programs; instants and amounts are left to the writer of the JSON.

    An attempt's `decision_id` is that of the decision by which it was dialled (store/decisions.py).
    """
    dialled = {
        (part.enrolment.row.campaign_id, kept.phone, kept.decided_at): kept.id
        for part in told.campaigns
        for kept in part.kept
        if kept.decision.allowed
    }
    return {
        "number": told.number.e164,
        "region": told.number.region,
        "kind": told.number.kind.value,
        "at": told.at,
        "place": {
            "countries": told.place.countries,
            "regions": told.place.regions,
            "zones": told.place.zones,
        },
        "contacts": [asdict(one) for one in told.contacts],
        "do_not_call": [asdict(one) for one in told.dnc],
        "lookups": [asdict(one) for one in told.lookups],
        "campaigns": [
            {
                "campaign": part.enrolment.campaign,
                "campaign_state": part.enrolment.campaign_state,
                "state": part.enrolment.state,
                "due_for": part.enrolment.row.due_for,
                "next_at": part.enrolment.row.next_at,
                "attempts": part.enrolment.row.attempts,
                "attempts_allowed": part.attempts_allowed,
                "waiting_for": part.enrolment.waiting_for,
                "disposition": part.enrolment.disposition,
                "decision_now": part.now.to_json() if part.now else None,
                "decisions": [
                    {
                        "id": kept.id,
                        "phone": kept.phone,
                        "decided_at": kept.decided_at,
                        "made_with": kept.made_with,
                    }
                    | kept.decision.to_json()
                    for kept in part.kept
                ],
            }
            for part in told.campaigns
        ],
        "attempts": [
            asdict(one)
            | {
                "decision_id": dialled.get((one.campaign_id or 0, one.phone, one.intent_at)),
                "happenings": [asdict(h) for h in told.happenings.get(one.id, ())],
            }
            for one in told.attempts
        ],
    }
