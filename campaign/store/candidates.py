"""A campaign's contacts as the rules see them, in pages: for judging all of them without dialling anybody."""

from sqlalchemy import text

from campaign.store.claims import DueContact
from campaign.store.database import Tx

PAGE = text(
    """
    SELECT cc.id, cc.campaign_id, cc.contact_id, cc.priority, cc.next_at, cc.due_for, cc.attempts,
           cc.number_index, cc.decision, k.phone, k.other_phones, k.place, k.said_zone, k.state,
           k.postal_code, k.party, k.consent, k.consent_at, k.consent_source, cc.phone AS enrolled_as
      FROM campaign_contacts cc
      JOIN contacts k ON k.id = cc.contact_id
     WHERE cc.campaign_id = :id AND cc.phone > :after AND cc.state IN ('waiting', 'blocked')
     ORDER BY cc.phone
     LIMIT :most
    """
)
"""By (campaign_id, phone), the key that makes a number unique in its campaign: each page is one probe of it,
and neighbours share an area code, so that what is worked out for one place serves the next contact too.
The columns are a DueContact's, in its order, and one more."""


async def page(tx: Tx, campaign_id: int, after: str, most: int) -> tuple[list[DueContact], str]:
    """The next contacts that wait or are blocked, and after which number the following page begins.

    Args:
        after: "" for the first page.

    Returns:
        (contacts, after); fewer than `most` are the last. `next_at` of a blocked one is None.
    """
    rows = (await tx.execute(PAGE, {"id": campaign_id, "after": after, "most": most})).all()
    found = [DueContact(*row[:-1]) for row in rows]
    return found, rows[-1].enrolled_as if rows else after


async def counts(tx: Tx, campaign_id: int) -> dict[str, int]:
    """State → how many of the campaign's contacts."""
    rows = (
        await tx.execute(
            text(
                "SELECT state, count(*) AS contacts FROM campaign_contacts WHERE campaign_id = :id GROUP BY 1"
            ),
            {"id": campaign_id},
        )
    ).all()
    return {row.state: row.contacts for row in rows}
