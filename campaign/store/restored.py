"""Calls that Twilio has and a restored database doesn't: whose they were."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import text

from campaign.store import models
from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Owner:
    """A campaign's contact that a call may have been made for.

    Args:
        attempts: of the contact, as the restored database counts them.
        busy: an unsettled attempt holds the number.
    """

    campaign_id: int
    campaign: str
    version: int
    campaign_contact_id: int
    contact_id: int
    attempts: int
    due_for: str
    busy: bool


async def owner(tx: Tx, phone: str, caller_id: str) -> Owner | None:
    """Whose call it was: the campaign that has that caller id and a contact with that number, its row locked.

    Of several the one that dials or would dial, then the one begun last.
    """
    row = (
        await tx.execute(
            text(
                """
                SELECT c.id AS campaign_id, c.name AS campaign, c.version, cc.id AS campaign_contact_id,
                       cc.contact_id, cc.attempts, cc.due_for,
                       EXISTS (SELECT 1 FROM attempts a
                                WHERE a.phone = :phone AND a.settled_at IS NULL) AS busy
                  FROM contacts k
                  JOIN campaign_contacts cc ON cc.contact_id = k.id
                  JOIN campaigns c ON c.id = cc.campaign_id
                  JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version
                 WHERE (k.phone = :phone OR k.other_phones @> ARRAY[CAST(:phone AS text)])
                   AND v.definition -> 'caller_ids' @> jsonb_build_array(
                           jsonb_build_object('number', CAST(:caller AS text)))
                 ORDER BY cc.state = 'waiting' DESC, c.state = 'running' DESC,
                          c.started_at DESC NULLS LAST, c.id DESC
                 LIMIT 1
                   FOR UPDATE OF cc
                """
            ),
            {"phone": phone, "caller": caller_id},
        )
    ).first()
    return None if row is None else Owner(**row._mapping)


async def placed_by(tx: Tx, call_sids: Collection[str]) -> dict[str, str]:
    """The replica that placed each call, of those that an attempt is bound to."""
    row = models.attempts.c
    rows = await tx.execute(sa.select(row.call_sid, row.replica).where(row.call_sid.in_(call_sids)))
    return {found.call_sid: found.replica for found in rows}


async def conclude_unheard(tx: Tx, attempt_id: int) -> None:
    """Say of a call that was answered that it was talked; what was said is lost with the database."""
    await tx.execute(
        sa.update(models.attempts)
        .where(models.attempts.c.id == attempt_id)
        .values(talk_disposition="completed", error="found at Twilio after the database was restored")
    )
