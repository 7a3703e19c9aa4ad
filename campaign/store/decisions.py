"""The ledger of decisions, with each rule's verdict and the facts that they were made on.

Every dial has a decision of its own: that of its campaign contact whose `decided_at` is the attempt's
`intent_at`, for one claim writes both. Deferrals and blocks are kept when they differ from the one before.
"""

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


async def keep(tx: Tx, judged: Sequence[tuple[Judged, Decision]], now: datetime, *, made_with: str) -> None:
    """Write decisions with the facts that they were made on; one statement.

    Args:
        judged: campaign contact and decision: every dial, and what else differs from the one kept before.
        now: when they were made; for dials the attempt's `intent_at`.
        made_with: versions of the data that the rules were read by (flow/versions.py).
    """
    if not judged:
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
        "made_with",
    )
    await copy_in(tx, decisions, columns, (_cells(row, one, now, made_with) for row, one in judged))


def _cells(row: Judged, decision: Decision, now: datetime, made_with: str) -> tuple[object, ...]:
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
        made_with,
    )


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision from the ledger. `facts` is plain JSON, empty when none was kept; `made_with` is None in
    rows of before schema 0008."""

    id: int
    campaign_id: int
    campaign_contact_id: int
    phone: str
    decision: Decision
    facts: dict[str, Any]
    decided_at: datetime
    made_with: str | None


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
        found.setdefault(row.campaign_contact_id, []).append(_kept(row))
    return found


async def of_dial(tx: Tx, campaign_contact_id: int, phone: str, intent_at: datetime) -> KeptDecision | None:
    """The decision by which an attempt was dialled; None when none is kept any more.

    Args:
        intent_at: the attempt's.
    """
    row = (
        await tx.execute(
            text(
                """
                SELECT * FROM decisions
                 WHERE campaign_contact_id = :contact AND phone = :phone AND decided_at = :at
                   AND verdict = 'allow' ORDER BY id DESC LIMIT 1
                """
            ),
            {"contact": campaign_contact_id, "phone": phone, "at": intent_at},
        )
    ).first()
    return None if row is None else _kept(row)


def _kept(row: Any) -> KeptDecision:
    return KeptDecision(
        row.id,
        row.campaign_id,
        row.campaign_contact_id,
        row.phone,
        Decision.from_json(row.reasons),
        row.facts,
        row.decided_at,
        row.made_with,
    )
