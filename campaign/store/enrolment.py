"""Contacts into campaigns: in batches, once per campaign and first number, only from finished imports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.store.database import Tx

SINGLES = 0
"""The import number under which contacts that were added one by one are enrolled."""


@dataclass(frozen=True, slots=True)
class Task:
    """A finished import (or the singly added contacts) of a list whose contacts a campaign still lacks.

    `through` is the last contact that was looked at.
    """

    campaign_id: int
    version: int
    list_id: int
    import_id: int
    priority: int
    through: int


_TASKS = text(
    """
    SELECT c.id AS campaign_id, c.version, cl.list_id, i.id AS import_id, cl.priority,
           coalesce(e.through_contact_id, 0) AS through
      FROM campaigns c
      JOIN campaign_lists cl ON cl.campaign_id = c.id
     CROSS JOIN LATERAL (
            SELECT 0 AS id
             UNION ALL
            SELECT m.id FROM imports m
             WHERE m.list_id = cl.list_id AND m.kind = 'contacts' AND m.state = 'finished') AS i
      LEFT JOIN campaign_enrolments e
             ON e.campaign_id = c.id AND e.list_id = cl.list_id AND e.import_id = i.id
     WHERE c.state = ANY(:states) AND e.finished_at IS NULL
       AND (CAST(:id AS bigint) IS NULL OR c.id = :id)
     ORDER BY c.id, cl.priority, cl.list_id, i.id
    """
)


async def tasks(tx: Tx, states: Sequence[str], campaign_id: int | None = None) -> list[Task]:
    """What is still to be enrolled, in the order in which it goes.

    Args:
        states: of campaigns that take new contacts.
        campaign_id: only of one campaign.
    """
    rows = await tx.execute(_TASKS, {"states": list(states), "id": campaign_id})
    return [Task(**row._mapping) for row in rows]


async def begin(tx: Tx, task: Task) -> Task | None:
    """Hold the task until the end of the transaction, as it stands now.

    Returns:
        None when somebody else works on it, or it is finished.
    """
    key = {"campaign": task.campaign_id, "list": task.list_id, "import": task.import_id}
    await tx.execute(
        text(
            """
            INSERT INTO campaign_enrolments (campaign_id, list_id, import_id)
            VALUES (:campaign, :list, :import) ON CONFLICT DO NOTHING
            """
        ),
        key,
    )
    through = (
        await tx.execute(
            text(
                """
                SELECT through_contact_id FROM campaign_enrolments
                 WHERE campaign_id = :campaign AND list_id = :list AND import_id = :import
                   AND finished_at IS NULL
                   FOR UPDATE SKIP LOCKED
                """
            ),
            key,
        )
    ).scalar()
    if through is None:
        return None
    return Task(task.campaign_id, task.version, task.list_id, task.import_id, task.priority, int(through))


_BATCH = """
    SELECT id, phone, place FROM contacts
     WHERE id > :through AND list_id = :list
       AND (CASE WHEN :import = 0 THEN import_id IS NULL ELSE import_id = :import END)
     ORDER BY id LIMIT :most
"""


async def places(tx: Tx, task: Task, most: int) -> list[str]:
    """The places (contacts.place) of the next batch: its zone groups."""
    rows = await tx.execute(
        text(f"SELECT DISTINCT place FROM ({_BATCH}) AS batch"),  # noqa: S608 - a constant
        {"list": task.list_id, "import": task.import_id, "through": task.through, "most": most},
    )
    return list(rows.scalars())


_ENROL = text(
    f"""
    WITH batch AS ({_BATCH}),
    enrolled AS (
        INSERT INTO campaign_contacts (campaign_id, contact_id, phone, priority, next_at, updated_at)
        SELECT :campaign, b.id, b.phone, :priority, coalesce(z.next_at, :now), :now
          FROM batch b
          LEFT JOIN unnest(CAST(:places AS text[]), CAST(:instants AS timestamptz[])) AS z (place, next_at)
            ON z.place = b.place
         ORDER BY b.id
        ON CONFLICT (campaign_id, phone) DO NOTHING
        RETURNING 1
    ), looked AS (
        SELECT count(*) AS seen, max(id) AS last FROM batch
    ), kept AS (
        UPDATE campaign_enrolments e
           SET through_contact_id = greatest(e.through_contact_id, coalesce(l.last, 0)),
               finished_at = CASE WHEN l.seen < :most THEN CAST(:now AS timestamptz) END
          FROM looked l
         WHERE e.campaign_id = :campaign AND e.list_id = :list AND e.import_id = :import
    )
    SELECT seen, (SELECT count(*) FROM enrolled) AS enrolled FROM looked
    """  # noqa: S608 - a constant
)


async def enrol_batch(
    tx: Tx, task: Task, instants: Mapping[str, datetime], most: int, now: datetime
) -> tuple[int, int]:
    """Enrol the next contacts; a number that the campaign has already is passed over.

    Args:
        task: as `begin` gave it.
        instants: place → when its contacts are first due; a place that is not in it: now, and then the
            rules say why not.
        most: the size of the batch; a smaller one is the last.

    Returns:
        (contacts looked at, contacts enrolled).
    """
    row = (
        await tx.execute(
            _ENROL,
            {
                "campaign": task.campaign_id,
                "list": task.list_id,
                "import": task.import_id,
                "through": task.through,
                "priority": task.priority,
                "places": list(instants),
                "instants": list(instants.values()),
                "most": most,
                "now": now,
            },
        )
    ).one()
    return int(row.seen), int(row.enrolled)


async def enrol_singly(tx: Tx, contact_id: int, states: Sequence[str], now: datetime) -> int:
    """Enrol a contact that was just added by itself, in the transaction that added it.

    Args:
        states: of campaigns that take new contacts.

    Returns:
        in how many campaigns.
    """
    done = await tx.execute(
        text(
            """
            INSERT INTO campaign_contacts (campaign_id, contact_id, phone, priority, next_at, updated_at)
            SELECT c.id, k.id, k.phone, cl.priority, :now, :now
              FROM contacts k
              JOIN campaign_lists cl ON cl.list_id = k.list_id
              JOIN campaigns c ON c.id = cl.campaign_id
             WHERE k.id = :contact AND c.state = ANY(:states)
            ON CONFLICT (campaign_id, phone) DO NOTHING
            """
        ),
        {"contact": contact_id, "states": list(states), "now": now},
    )
    return int(done.rowcount)


_LACKING = """
    SELECT DISTINCT cl.campaign_id
      FROM campaign_lists cl
      JOIN imports i ON i.list_id = cl.list_id AND i.kind = 'contacts'
      LEFT JOIN campaign_enrolments e ON e.campaign_id = cl.campaign_id
            AND e.list_id = cl.list_id AND e.import_id = i.id
     WHERE i.state = 'running' OR i.state = 'finished' AND e.finished_at IS NULL
     UNION
    SELECT cl.campaign_id
      FROM campaign_lists cl
      LEFT JOIN campaign_enrolments e ON e.campaign_id = cl.campaign_id
            AND e.list_id = cl.list_id AND e.import_id = 0
     WHERE e.finished_at IS NULL"""
"""Campaigns that don't have all contacts of their lists yet."""
UNFINISHED = f"""
    SELECT c.id FROM campaigns c LEFT JOIN ({_LACKING}) l ON l.campaign_id = c.id
     WHERE l.campaign_id IS NOT NULL AND c.state = ANY(:enrolling)
        OR (c.enrolled_at IS NULL) <> (l.campaign_id IS NOT NULL) OR c.replan_after IS NOT NULL
"""  # noqa: S608 (a constant of this file)
"""Campaigns for which there is something to enrol, to plan again or to say."""


async def mark_enrolled(tx: Tx, now: datetime) -> None:
    """Say of each campaign whether all contacts of its lists' finished imports are in it.

    A campaign with an import still running into one of its lists is not: it must not complete meanwhile.
    """
    await tx.execute(
        text(
            f"""
            WITH lacking AS ({_LACKING})
            UPDATE campaigns c
               SET enrolled_at = CASE WHEN l.campaign_id IS NULL THEN CAST(:now AS timestamptz) END
              FROM campaigns d LEFT JOIN lacking l ON l.campaign_id = d.id
             WHERE d.id = c.id AND (c.enrolled_at IS NULL) <> (l.campaign_id IS NOT NULL)
            """  # noqa: S608 (a constant of this file)
        ),
        {"now": now},
    )


# ── planning again ─────────────────────────────────────────────────────────────────────────────────────


async def begin_planning(tx: Tx, campaign_id: int) -> None:
    """After an edit: all of a campaign's contacts are to be planned again, from the first."""
    await tx.execute(text("UPDATE campaigns SET replan_after = 0 WHERE id = :id"), {"id": campaign_id})


async def to_plan(tx: Tx) -> list[int]:
    """Campaigns of which contacts are still to be planned again."""
    found = await tx.execute(text("SELECT id FROM campaigns WHERE replan_after IS NOT NULL ORDER BY id"))
    return list(found.scalars())


@dataclass(frozen=True, slots=True)
class Unplanned:
    """The next contacts to be planned again: campaign contact id → place. `whole`: more may follow."""

    version: int
    places: Mapping[int, str]
    whole: bool


async def next_unplanned(tx: Tx, campaign_id: int, most: int) -> Unplanned | None:
    """Lock a campaign and its next contacts, until the end of the transaction; None: all are planned.

    One that somebody else holds is passed over: it is just being called or suppressed.
    """
    key = {"id": campaign_id}
    row = (
        await tx.execute(
            text("SELECT version, replan_after FROM campaigns WHERE id = :id FOR NO KEY UPDATE"), key
        )
    ).one()
    if row.replan_after is None:
        return None
    found = await tx.execute(
        text(
            """
            SELECT cc.id, k.place
              FROM campaign_contacts cc JOIN contacts k ON k.id = cc.contact_id
             WHERE cc.campaign_id = :id AND cc.id > :after
             ORDER BY cc.id LIMIT :most FOR UPDATE OF cc SKIP LOCKED
            """
        ),
        {**key, "after": row.replan_after, "most": most},
    )
    places = {one.id: one.place for one in found}
    return Unplanned(row.version, places, len(places) == most)


async def plan_batch(
    tx: Tx,
    campaign_id: int,
    batch: Unplanned,
    instants: Mapping[str, datetime],
    *,
    hours: bool,
    now: datetime,
) -> None:
    """Plan contacts again, and keep how far that has come.

    Those that wait for their first attempt get the priority that their list has now and, with `hours`, the
    instant of their place, unless they are due before and after alike: a million rows that are written anew
    leave a million dead ones, which the next claim must read past. Blocked ones are judged once more, as what
    blocked them may have been changed.

    Args:
        batch: as `next_unplanned` gave it, in the same transaction.
        instants: place → when its contacts are first due; a place that is not in it: now.
    """
    await tx.execute(
        text(
            """
            UPDATE campaign_contacts cc
               SET state = w.state, next_at = w.next_at, priority = w.priority, updated_at = :now
              FROM (SELECT b.id,
                           CASE b.state WHEN 'blocked' THEN 'waiting' ELSE b.state END AS state,
                           CASE WHEN b.state = 'blocked' THEN CAST(:now AS timestamptz)
                                WHEN :hours AND b.next_at IS NOT NULL AND b.due_for = 'first'
                                     AND greatest(b.next_at, z.next_at) > :now
                                THEN coalesce(z.next_at, CAST(:now AS timestamptz))
                                ELSE b.next_at END AS next_at,
                           CASE b.due_for WHEN 'first' THEN coalesce(cl.priority, b.priority)
                                ELSE b.priority END AS priority
                      FROM campaign_contacts b
                      JOIN contacts k ON k.id = b.contact_id
                      LEFT JOIN campaign_lists cl ON cl.campaign_id = :id AND cl.list_id = k.list_id
                      LEFT JOIN unnest(CAST(:places AS text[]), CAST(:instants AS timestamptz[]))
                           AS z (place, next_at) ON z.place = k.place
                     WHERE b.id = ANY(:ids)) AS w
             WHERE cc.id = w.id
               AND (cc.state, cc.next_at, cc.priority) IS DISTINCT FROM (w.state, w.next_at, w.priority)
            """
        ),
        {
            "id": campaign_id,
            "ids": list(batch.places),
            "places": list(instants),
            "instants": list(instants.values()),
            "hours": hours,
            "now": now,
        },
    )
    await tx.execute(
        text("UPDATE campaigns SET replan_after = :after WHERE id = :id"),
        {"id": campaign_id, "after": max(batch.places) if batch.whole else None},
    )


async def look_again(tx: Tx, campaign_id: int, now: datetime) -> int:
    """Let the rules judge blocked contacts once more: what blocked them may have been changed."""
    done = await tx.execute(
        text(
            """
            UPDATE campaign_contacts SET state = 'waiting', next_at = :now, updated_at = :now
             WHERE campaign_id = :id AND state = 'blocked'
            """
        ),
        {"id": campaign_id, "now": now},
    )
    return int(done.rowcount)


async def redial(
    tx: Tx, campaign_id: int, dispositions: Sequence[str], attempts: int, now: datetime
) -> dict[str, int]:
    """Put finished contacts back in the queue.

    Args:
        dispositions: of the contact's last attempt.
        attempts: what of the budget counts as used from now on.

    Returns:
        disposition → how many contacts.
    """
    rows = await tx.execute(
        text(
            """
            WITH again AS (
                UPDATE campaign_contacts cc
                   SET state = 'waiting', next_at = :now, due_for = 'retry', attempts = :attempts,
                       number_index = 0, waiting_for = NULL, priority = coalesce(cl.priority, 0),
                       updated_at = :now
                  FROM contacts k
                  LEFT JOIN campaign_lists cl ON cl.campaign_id = :id AND cl.list_id = k.list_id
                 WHERE cc.campaign_id = :id AND cc.state = 'done' AND k.id = cc.contact_id
                   AND cc.disposition = ANY(:dispositions)
                RETURNING cc.disposition
            )
            SELECT disposition, count(*) AS contacts FROM again GROUP BY disposition
            """
        ),
        {"id": campaign_id, "dispositions": list(dispositions), "attempts": attempts, "now": now},
    )
    return {row.disposition: row.contacts for row in rows}


async def endings(tx: Tx, campaign_id: int) -> dict[str, int]:
    """How many contacts are done, by the disposition of the last attempt, most first: whom `redial` finds.
    Reads all of the campaign's contacts."""
    rows = await tx.execute(
        text(
            """
            SELECT disposition, count(*) AS contacts FROM campaign_contacts
             WHERE campaign_id = :id AND state = 'done' AND disposition IS NOT NULL
             GROUP BY disposition ORDER BY contacts DESC, disposition
            """
        ),
        {"id": campaign_id},
    )
    return {row.disposition: row.contacts for row in rows}


async def any_enrolled(tx: Tx, campaign_id: int) -> bool:
    """Whether the campaign has a contact at all."""
    found: bool = (
        await tx.execute(
            text("SELECT EXISTS (SELECT FROM campaign_contacts WHERE campaign_id = :id)"), {"id": campaign_id}
        )
    ).scalar_one()
    return found
