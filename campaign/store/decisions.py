"""The ledger of decisions: every one that differs from the one before, with each rule's verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import text

from campaign.domain.decision import Decision
from campaign.domain.facts import facts_to_json
from campaign.store.database import Tx, copy_in
from campaign.store.models import decisions


class Judged(Protocol):
    """Whom a decision is about (store/claims.py: DueContact)."""

    @property
    def id(self) -> int: ...
    @property
    def campaign_id(self) -> int: ...
    @property
    def number(self) -> str: ...


async def keep(tx: Tx, changed: Sequence[tuple[Judged, Decision]], now: datetime) -> None:
    """Write decisions that changed, with the facts that they were made on; one statement.

    Args:
        changed: campaign contact and decision; the caller compares fingerprints.
        now: when they were kept.
    """
    if not changed:
        return
    columns = (
        "campaign_id",
        "campaign_contact_id",
        "phone",
        "verdict",
        "until_at",
        "fingerprint",
        "reasons",
        "packs",
        "facts",
        "decided_at",
    )
    await copy_in(tx, decisions, columns, (_cells(row, decision, now) for row, decision in changed))


def _cells(row: Judged, decision: Decision, now: datetime) -> tuple[object, ...]:
    plain = decision.to_json()
    return (
        row.campaign_id,
        row.id,
        row.number,
        decision.verdict.value,
        decision.until,
        decision.fingerprint,
        plain,
        plain["packs"],
        facts_to_json(decision.facts) if decision.facts else {},
        now,
    )


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision from the ledger. `facts` is plain JSON, empty when none was kept."""

    id: int
    campaign_id: int
    campaign: str
    campaign_contact_id: int
    phone: str
    decision: Decision
    facts: dict[str, Any]
    decided_at: datetime


async def of_number(tx: Tx, phones: Sequence[str], *, limit: int = 200) -> list[KeptDecision]:
    """The decisions kept for those numbers in all campaigns, the latest `limit` of them, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT * FROM (
                SELECT d.id, d.campaign_id, c.name AS campaign, d.campaign_contact_id, d.phone, d.reasons,
                       d.facts, d.decided_at
                  FROM decisions d JOIN campaigns c ON c.id = d.campaign_id
                 WHERE d.phone = ANY(:phones)
                 ORDER BY d.id DESC LIMIT :limit) AS latest
             ORDER BY id
            """
        ),
        {"phones": list(phones), "limit": limit},
    )
    return [
        KeptDecision(
            row.id,
            row.campaign_id,
            row.campaign,
            row.campaign_contact_id,
            row.phone,
            Decision.from_json(row.reasons),
            row.facts,
            row.decided_at,
        )
        for row in rows
    ]
