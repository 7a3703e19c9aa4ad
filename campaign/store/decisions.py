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
    campaign_contact_id: int
    phone: str
    decision: Decision
    facts: dict[str, Any]
    decided_at: datetime


async def of_contacts(
    tx: Tx, campaign_contact_ids: Sequence[int], *, limit: int = 50
) -> dict[int, list[KeptDecision]]:
    """Campaign contact → the latest `limit` decisions kept for it, oldest first."""
    rows = await tx.execute(
        text(
            """
            SELECT d.*
              FROM unnest(CAST(:ids AS bigint[])) AS w (id)
             CROSS JOIN LATERAL (
                    SELECT * FROM decisions WHERE campaign_contact_id = w.id
                     ORDER BY id DESC LIMIT :limit) AS d
             ORDER BY d.id
            """
        ),
        {"ids": list(campaign_contact_ids), "limit": limit},
    )
    found: dict[int, list[KeptDecision]] = {}
    for row in rows:
        kept = KeptDecision(
            row.id,
            row.campaign_id,
            row.campaign_contact_id,
            row.phone,
            Decision.from_json(row.reasons),
            row.facts,
            row.decided_at,
        )
        found.setdefault(row.campaign_contact_id, []).append(kept)
    return found
