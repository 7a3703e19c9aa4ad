"""Calls of a campaign that tell the most, for someone who wants to read a few."""

from dataclasses import dataclass

from sqlalchemy import text

from campaign.store.database import Tx


@dataclass(frozen=True, slots=True)
class Highlights:
    """Attempt ids; None where there is no such call.

    Args:
        talk: a conversation in which something was gathered, the longest success first.
        recovered: a call that went on after its socket was lost.
    """

    talk: int | None
    recovered: int | None


async def highlights(tx: Tx, campaign_id: int) -> Highlights:
    """The most telling calls of a campaign."""
    row = (
        await tx.execute(
            text(
                """
                WITH said AS (
                    SELECT o.attempt_id, o.category, o.data, count(*) AS turns,
                           count(*) FILTER (WHERE t.session_ordinal > 1) AS later
                      FROM outcomes o JOIN conversation_turns t ON t.attempt_id = o.attempt_id
                     WHERE o.campaign_id = :id
                     GROUP BY o.attempt_id)
                SELECT (SELECT attempt_id FROM said WHERE later = 0
                         ORDER BY category = 'success' DESC, data <> '{}' DESC, turns DESC, attempt_id
                         LIMIT 1) AS talk,
                       (SELECT s.attempt_id FROM said s JOIN recoveries r ON r.attempt_id = s.attempt_id
                         WHERE s.later > 0 AND r.answer = 'resume'
                         ORDER BY s.turns DESC, s.attempt_id LIMIT 1) AS recovered
                """
            ),
            {"id": campaign_id},
        )
    ).one()
    return Highlights(row.talk, row.recovered)
