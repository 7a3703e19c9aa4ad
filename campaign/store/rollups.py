"""Roll-ups: counts by day and dimension, so that reports over millions of attempts read a few thousand rows.

Whoever writes or refines an outcome leaves the attempt's id in `report_queue`, in the same transaction. The
scheduler's tick folds what it finds there: it takes back what those attempts had put into the roll-ups
(`report_facts` remembers it), reads them anew, and puts in what they are now. It is one transaction under the
lock of one row, so a crash leaves all as it was, and folding an attempt once more changes nothing. Nothing
that dials or talks reads or locks these tables.

Facts name nobody and outlive the attempt: what retention removes stays counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import text

from campaign.domain import measures
from campaign.store.database import Tx
from campaign.store.models import DIMENSIONS

_WORDS: Final = {
    "connects": sorted(measures.CONNECTS),
    "conversations": sorted(measures.CONVERSATIONS),
    "right_parties": sorted(measures.RIGHT_PARTIES),
    "successes": sorted(measures.SUCCESSES),
    "opt_outs": sorted(measures.OPT_OUTS),
    "bounds": list(measures.FIRST_WORD_BOUNDS_MS),
    "most": measures.MOST_TRIES,
}

_VALUES: Final = {
    "campaign": "''",
    "list": "coalesce(CAST({f}.list_id AS text), '')",
    "version": "coalesce(CAST({f}.version AS text), '')",
    "caller_id": "{f}.caller_id",
    "zone": "{f}.zone",
}
assert tuple(_VALUES) == DIMENSIONS


def _dimensions(fact: str, only: Sequence[str] = DIMENSIONS) -> str:
    rows = ", ".join(f"('{name}', {_VALUES[name].format(f=fact)})" for name in only)
    return f"CROSS JOIN LATERAL (VALUES {rows}) AS d (dimension, value)"


@dataclass(frozen=True, slots=True)
class _RollUp:
    """One roll-up: which facts it is made of (`{chosen}` picks them), its keys beside dimension, campaign and
    value, and its measures as aggregates."""

    table: str
    source: str
    keys: Mapping[str, str]
    measures: Mapping[str, str]

    def select(self) -> str:
        keys = "".join(f", {expression} AS {name}" for name, expression in self.keys.items())
        sums = "".join(f", {expression} AS {name}" for name, expression in self.measures.items())
        grouped = ", ".join(str(n + 1) for n in range(3 + len(self.keys)))
        return f"SELECT d.dimension, f.campaign_id, d.value{keys}{sums} FROM {self.source} GROUP BY {grouped}"  # noqa: S608 (constants of this file)

    def add(self) -> str:
        """The statement that adds the chosen facts `:sign` times."""
        keys = ["dimension", "campaign_id", "value", *self.keys]
        columns = ", ".join([*keys, *self.measures])
        signed = ", ".join([*keys, *(f":sign * {name}" for name in self.measures)])
        summed = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in self.measures)
        return (
            f"INSERT INTO {self.table} AS t ({columns}) SELECT {signed} FROM ({self.select()}) AS s "  # noqa: S608 (constants of this file)
            f"ORDER BY {', '.join(keys)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {summed}"
        )


_ATTEMPTS: Final = f"report_facts f {_dimensions('f')} WHERE {{chosen}}"
_CONTACTS: Final = f"""(
    SELECT *, CASE WHEN connected THEN first_connect ELSE calls END AS needed FROM (
        SELECT campaign_id, campaign_contact_id,
               (array_agg(list_id ORDER BY attempt_id))[1] AS list_id,
               (array_agg(version ORDER BY attempt_id))[1] AS version,
               (array_agg(caller_id ORDER BY attempt_id))[1] AS caller_id,
               (array_agg(zone ORDER BY attempt_id))[1] AS zone,
               (array_agg(day ORDER BY attempt_id))[1] AS day,
               count(*) AS calls,
               bool_or(answered) AS answered,
               bool_or(disposition = ANY(:connects)) AS connected,
               bool_or(disposition = ANY(:conversations)) AS conversed,
               bool_or(disposition = ANY(:right_parties)) AS right_party,
               bool_or(disposition = ANY(:successes)) AS succeeded,
               bool_or(disposition = ANY(:opt_outs)) AS opted_out,
               min(ordinal) FILTER (WHERE disposition = ANY(:connects)) AS first_connect
          FROM (SELECT *, row_number() OVER (PARTITION BY campaign_contact_id ORDER BY attempt_id) AS ordinal
                  FROM report_facts WHERE placed AND {{chosen}}) AS numbered
         GROUP BY campaign_id, campaign_contact_id) AS contact) AS f {_dimensions("f")}"""  # noqa: S608 (constants of this file)

ROLL_UPS: Final = (
    _RollUp(
        "report_days",
        _ATTEMPTS,
        {"day": "f.day"},
        {
            "attempts": "count(*)",
            "placed": "count(*) FILTER (WHERE f.placed)",
            "answered": "count(*) FILTER (WHERE f.answered)",
            "connects": "count(*) FILTER (WHERE f.disposition = ANY(:connects))",
            "conversations": "count(*) FILTER (WHERE f.disposition = ANY(:conversations))",
            "right_parties": "count(*) FILTER (WHERE f.disposition = ANY(:right_parties))",
            "successes": "count(*) FILTER (WHERE f.disposition = ANY(:successes))",
            "opt_outs": "count(*) FILTER (WHERE f.disposition = ANY(:opt_outs))",
            "abandoned": "count(*) FILTER (WHERE f.abandoned)",
            "seconds": "sum(f.seconds)",
            "cost": "coalesce(sum(f.cost), 0)",
            "priced": "count(f.cost)",
        },
    ),
    _RollUp(
        "report_dispositions",
        _ATTEMPTS,
        {"day": "f.day", "disposition": "f.disposition"},
        {
            "attempts": "count(*)",
            "seconds": "sum(f.seconds)",
            "cost": "coalesce(sum(f.cost), 0)",
            "priced": "count(f.cost)",
        },
    ),
    _RollUp(
        "report_hours",
        _ATTEMPTS + " AND f.placed",
        {"day": "f.day", "hour": "f.hour"},
        {
            "placed": "count(*)",
            "answered": "count(*) FILTER (WHERE f.answered)",
            "connects": "count(*) FILTER (WHERE f.disposition = ANY(:connects))",
            "successes": "count(*) FILTER (WHERE f.disposition = ANY(:successes))",
        },
    ),
    _RollUp(
        "report_first_words",
        _ATTEMPTS + " AND f.first_word_ms IS NOT NULL",
        # width_bucket counts a bound to the bucket above it; ours belongs to the one below
        {"day": "f.day", "bucket": "width_bucket(f.first_word_ms - 1, CAST(:bounds AS int[]))"},
        {"calls": "count(*)"},
    ),
    _RollUp(
        "report_recoveries",
        "report_facts f CROSS JOIN LATERAL unnest(f.recoveries) AS r (result) "
        f"{_dimensions('f')} WHERE cardinality(f.recoveries) > 0 AND {{chosen}}",
        {
            "day": "f.day",
            "answer": "split_part(r.result, '|', 1)",
            "became": "split_part(r.result, '|', 2)",
        },
        {"calls": "count(*)"},
    ),
    _RollUp(
        "report_cohorts",
        _CONTACTS,
        {"day": "f.day"},
        {
            "contacts": "count(*)",
            "answered": "count(*) FILTER (WHERE f.answered)",
            "connected": "count(*) FILTER (WHERE f.connected)",
            "conversed": "count(*) FILTER (WHERE f.conversed)",
            "right_parties": "count(*) FILTER (WHERE f.right_party)",
            "succeeded": "count(*) FILTER (WHERE f.succeeded)",
            "opted_out": "count(*) FILTER (WHERE f.opted_out)",
        },
    ),
    _RollUp(
        "report_tries",
        f"{_CONTACTS} CROSS JOIN LATERAL generate_series(1, f.needed) AS n (call)",
        {"day": "f.day", "number": "least(n.call, :most)"},
        {
            # the last number stands for more: a contact counts there once
            "tried": "count(*) FILTER (WHERE n.call <= :most)",
            "reached": "count(*) FILTER (WHERE f.connected AND n.call = f.needed)",
        },
    ),
)
_OF_CONTACTS: Final = frozenset({"report_cohorts", "report_tries"})
_SOME_ATTEMPTS: Final = "attempt_id = ANY(:ids)"
_SOME_CONTACTS: Final = "campaign_contact_id = ANY(:contacts)"


def _statement(sql: str, chosen: str) -> str:
    return sql.replace("{chosen}", chosen)


_ADD_SOME: Final = [
    text(_statement(one.add(), _SOME_CONTACTS if one.table in _OF_CONTACTS else _SOME_ATTEMPTS))
    for one in ROLL_UPS
]
_ADD_CAMPAIGN: Final = [text(_statement(one.add(), "campaign_id = :campaign")) for one in ROLL_UPS]
_ADD_ALL: Final = [text(_statement(one.add(), "true")) for one in ROLL_UPS]

_FACTS: Final = """
    SELECT a.id AS attempt_id, a.campaign_id, a.campaign_contact_id, k.list_id, a.campaign_version AS version,
           a.caller_id, z.zone, CAST(z.at AS date) AS day, CAST(extract(hour FROM z.at) AS smallint) AS hour,
           o.disposition, a.state <> 'not_placed' AS placed, a.answered_at IS NOT NULL AS answered,
           o.abandoned, o.seconds, o.cost, o.first_word_ms,
           coalesce((SELECT array_agg(r.answer || '|' || coalesce(r.became, 'not known yet') ORDER BY r.id)
                       FROM recoveries r
                      WHERE r.attempt_id = a.id AND (r.answer <> 'hang_up' OR r.session_status = 'failed')),
                    '{{}}') AS recoveries
      FROM attempts a
      JOIN outcomes o ON o.attempt_id = a.id
      LEFT JOIN contacts k ON k.id = a.contact_id
      CROSS JOIN LATERAL (SELECT split_part(split_part(coalesce(k.place, ''), '|', 3), ',', 1) AS name) AS q
      CROSS JOIN LATERAL (SELECT CASE WHEN q.name = ANY(:zones) THEN q.name ELSE '' END AS known) AS p
      CROSS JOIN LATERAL (
            SELECT p.known AS zone, a.intent_at AT TIME ZONE coalesce(nullif(p.known, ''), 'UTC') AS at) AS z
     WHERE a.kind = 'campaign' AND a.campaign_contact_id IS NOT NULL AND {chosen}
"""
_WRITE_FACTS: Final = """
    INSERT INTO report_facts AS t (attempt_id, campaign_id, campaign_contact_id, list_id, version, caller_id,
           zone, day, hour, disposition, placed, answered, abandoned, seconds, cost, first_word_ms,
           recoveries)
    {facts}
    ON CONFLICT (attempt_id) DO UPDATE
       SET disposition = excluded.disposition, placed = excluded.placed, answered = excluded.answered,
           abandoned = excluded.abandoned, seconds = excluded.seconds, cost = excluded.cost,
           first_word_ms = excluded.first_word_ms, recoveries = excluded.recoveries
     WHERE (t.disposition, t.placed, t.answered, t.abandoned, t.seconds, t.cost, t.first_word_ms,
            t.recoveries)
           IS DISTINCT FROM (excluded.disposition, excluded.placed, excluded.answered, excluded.abandoned,
                             excluded.seconds, excluded.cost, excluded.first_word_ms, excluded.recoveries)
"""
"""Where and when a call was made stays as it was told first: an edited contact doesn't rewrite history."""
_WRITE_SOME: Final = text(_WRITE_FACTS.format(facts=_FACTS.format(chosen="a.id = ANY(:ids)")))
_WRITE_ALL: Final = text(_WRITE_FACTS.format(facts=_FACTS.format(chosen="true")))

QUEUE: Final = "INSERT INTO report_queue (attempt_id, queued_at) VALUES (:attempt_id, :now)"
"""What whoever changes an attempt's outcome also writes, in the same transaction."""


async def queue(tx: Tx, attempt_id: int, now: datetime) -> None:
    """Something that reports count has changed of an attempt: fold it again."""
    await tx.execute(text(QUEUE), {"attempt_id": attempt_id, "now": now})


async def zones_known(tx: Tx) -> list[str]:
    """The time zones that this database server can reckon with; ask once, it reads hundreds of files."""
    return list((await tx.execute(text("SELECT name FROM pg_timezone_names ORDER BY name"))).scalars())


async def hold(tx: Tx, *, wait: bool) -> bool:
    """Lock the roll-ups for this transaction; readers are not held up.

    Returns:
        False when somebody else is at work on them (only without `wait`).
    """
    lock = "SELECT id FROM report_state WHERE id = 1 FOR UPDATE"
    return (await tx.execute(text(lock if wait else lock + " SKIP LOCKED"))).first() is not None


@dataclass(frozen=True, slots=True)
class Folded:
    """What one fold did: how many entries of the queue it took, and the last of them."""

    taken: int
    through: int


async def fold(tx: Tx, zones: Sequence[str], *, after: int = 0, most: int = 1000) -> Folded:
    """Bring the roll-ups up to date with the next attempts of the queue; `hold` comes before.

    Args:
        zones: of `zones_known`.
        after: look at later entries only. Who looks often need not step over the dead ones each time; one
            that was committed late stands before it, so look from 0 now and then.
        most: entries at once.
    """
    taken = (
        await tx.execute(
            text(
                """
                DELETE FROM report_queue WHERE id = ANY(ARRAY(
                       SELECT id FROM report_queue WHERE id > :after ORDER BY id LIMIT :most))
                RETURNING id, attempt_id
                """
            ),
            {"after": after, "most": most},
        )
    ).all()
    if not taken:
        return Folded(0, after)
    await _refold(tx, sorted({row.attempt_id for row in taken}), zones)
    return Folded(len(taken), max(row.id for row in taken))


async def _refold(tx: Tx, ids: Sequence[int], zones: Sequence[str]) -> None:
    found = await tx.execute(
        text(
            "SELECT DISTINCT campaign_contact_id FROM attempts "
            "WHERE id = ANY(:ids) AND campaign_contact_id IS NOT NULL ORDER BY 1"
        ),
        {"ids": list(ids)},
    )
    given: dict[str, Any] = {**_WORDS, "ids": list(ids), "contacts": list(found.scalars())}
    await _add(tx, _ADD_SOME, given, -1)
    await tx.execute(_WRITE_SOME, {"ids": list(ids), "zones": list(zones)})
    await _add(tx, _ADD_SOME, given, 1)


async def _add(tx: Tx, statements: Sequence[Any], given: Mapping[str, Any], sign: int) -> None:
    for statement in statements:
        await tx.execute(statement, {**given, "sign": sign})


async def rebuild(tx: Tx, zones: Sequence[str], now: datetime) -> int:
    """Make all roll-ups anew from the attempts that there are, and from the facts of those that are gone.

    Reads everything: minutes over millions of attempts. Reports answer meanwhile with what stood before.

    Returns:
        How many attempts are counted now.
    """
    await hold(tx, wait=True)
    # What is queued later than this is folded later; folding an attempt once more changes nothing.
    await tx.execute(text("DELETE FROM report_queue"))
    await tx.execute(_WRITE_ALL, {"zones": list(zones)})
    for one in ROLL_UPS:
        await tx.execute(text(f"DELETE FROM {one.table}"))  # noqa: S608 (constants)
    await _add(tx, _ADD_ALL, _WORDS, 1)
    await tx.execute(
        text("UPDATE report_state SET rebuilt_at = :now, found = CAST('{}' AS jsonb) WHERE id = 1"),
        {"now": now},
    )
    return int((await tx.execute(text("SELECT count(*) FROM report_facts"))).scalar_one())


# ── does it still agree? ───────────────────────────────────────────────────────────────────────────────


async def unfolded(
    tx: Tx, zones: Sequence[str], now: datetime, *, after: int, most: int
) -> tuple[int, int | None]:
    """Look through attempts for outcomes that are not counted as they stand, and queue them.

    Written by older code while a new version was rolled out, for instance.

    Args:
        after: the attempt up to which was looked; 0: from the first.
        most: attempts to look at.
    Returns:
        (how many there were, the attempt up to which was looked; None: there are no more).
    """
    last = (
        await tx.execute(
            text(
                "SELECT max(id) FROM (SELECT id FROM attempts WHERE id > :after "
                "ORDER BY id LIMIT :most) AS next"
            ),
            {"after": after, "most": most},
        )
    ).scalar()
    if last is None:
        return 0, None
    found = await tx.execute(
        text(
            f"""
            WITH now_true AS ({_FACTS.format(chosen="a.id > :after AND a.id <= :last")}), missed AS (
                SELECT n.attempt_id FROM now_true n LEFT JOIN report_facts t USING (attempt_id)
                 WHERE t.attempt_id IS NULL
                    OR (t.disposition, t.placed, t.answered, t.abandoned, t.seconds, t.cost, t.first_word_ms,
                        t.recoveries)
                       IS DISTINCT FROM (n.disposition, n.placed, n.answered, n.abandoned, n.seconds, n.cost,
                                         n.first_word_ms, n.recoveries))
            INSERT INTO report_queue (attempt_id, queued_at)
            SELECT attempt_id, :now FROM missed
             WHERE attempt_id NOT IN (SELECT attempt_id FROM report_queue)
            RETURNING attempt_id
            """  # noqa: S608 (constants of this file)
        ),
        {"now": now, "zones": list(zones), "after": after, "last": last},
    )
    return len(found.all()), last


async def differing(tx: Tx, campaign_id: int) -> dict[str, int]:
    """A campaign's roll-ups that are not the sum of its facts: table → rows that differ. Empty when all
    agree; `hold` comes before."""
    found = {}
    for one in ROLL_UPS:
        columns = ", ".join(["dimension", "campaign_id", "value", *one.keys, *one.measures])
        nothing = " AND ".join(f"{name} = 0" for name in one.measures)
        statement = f"""
            WITH made AS ({_statement(one.select(), "campaign_id = :campaign")}),
                 stored AS (SELECT * FROM {one.table} WHERE campaign_id = :campaign AND NOT ({nothing}))
            SELECT count(*) FROM (
                (SELECT {columns} FROM made EXCEPT SELECT {columns} FROM stored)
                UNION ALL
                (SELECT {columns} FROM stored EXCEPT SELECT {columns} FROM made)) AS differing
        """  # noqa: S608 (constants of this file)
        if rows := (await tx.execute(text(statement), {**_WORDS, "campaign": campaign_id})).scalar_one():
            found[one.table] = int(rows)
    return found


async def mend(tx: Tx, campaign_id: int) -> None:
    """Make a campaign's roll-ups anew from its facts; `hold` comes before."""
    for one in ROLL_UPS:
        await tx.execute(text(f"DELETE FROM {one.table} WHERE campaign_id = :id"), {"id": campaign_id})  # noqa: S608 (constants)
    await _add(tx, _ADD_CAMPAIGN, {**_WORDS, "campaign": campaign_id}, 1)


async def note_check(tx: Tx, now: datetime, found: Mapping[str, int]) -> None:
    """Keep when the roll-ups were compared, and how much differed where."""
    await hold(tx, wait=True)
    await tx.execute(
        text("UPDATE report_state SET checked_at = :now, found = :found WHERE id = 1"),
        {"now": now, "found": Jsonb(dict(found))},
    )


@dataclass(frozen=True, slots=True)
class Checked:
    """When the roll-ups were last compared with the attempts, what differed then, when all was made anew."""

    at: datetime | None
    found: Mapping[str, int]
    rebuilt_at: datetime | None


async def last_check(tx: Tx) -> Checked:
    """How the last comparison went."""
    row = (await tx.execute(text("SELECT checked_at, found, rebuilt_at FROM report_state"))).first()
    return Checked(None, {}, None) if row is None else Checked(row.checked_at, row.found, row.rebuilt_at)


# ── contacts enrolled ──────────────────────────────────────────────────────────────────────────────────

_MARK: Final = """
    SELECT c.id, coalesce((SELECT count(*) || ':' || sum(e.through_contact_id)
                             FROM campaign_enrolments e WHERE e.campaign_id = c.id), '') AS mark
      FROM campaigns c
"""


async def enrolment_moved(tx: Tx) -> list[tuple[int, str]]:
    """Campaigns of which more contacts may be enrolled than were counted: (id, how far enrolment is)."""
    rows = await tx.execute(
        text(
            f"""
            SELECT m.id, m.mark FROM ({_MARK}) AS m
              LEFT JOIN report_enrolled e
                   ON e.dimension = 'campaign' AND e.campaign_id = m.id AND e.value = ''
             WHERE e.mark IS DISTINCT FROM m.mark
             ORDER BY m.id
            """  # noqa: S608 (constants of this file)
        )
    )
    return [(row.id, row.mark) for row in rows]


async def count_enrolled(tx: Tx, campaign_id: int, mark: str) -> None:
    """Count a campaign's contacts by list and zone; `hold` comes before."""
    await tx.execute(text("DELETE FROM report_enrolled WHERE campaign_id = :id"), {"id": campaign_id})
    await tx.execute(
        text(
            """
            WITH one AS (
                SELECT k.list_id, split_part(split_part(k.place, '|', 3), ',', 1) AS zone,
                       count(*) AS contacts
                  FROM campaign_contacts cc JOIN contacts k ON k.id = cc.contact_id
                 WHERE cc.campaign_id = :id GROUP BY 1, 2)
            INSERT INTO report_enrolled (dimension, campaign_id, value, contacts, mark)
            SELECT 'campaign', :id, '', coalesce(sum(contacts), 0), CAST(:mark AS text) FROM one
            UNION ALL SELECT 'list', :id, CAST(list_id AS text), sum(contacts), NULL FROM one GROUP BY list_id
            UNION ALL SELECT 'zone', :id, zone, sum(contacts), NULL FROM one GROUP BY zone
            """
        ),
        {"id": campaign_id, "mark": mark},
    )


async def behind(tx: Tx) -> datetime | None:
    """Since when the oldest outcome has waited to be counted; None: the roll-ups are up to date."""
    at: datetime | None = (
        await tx.execute(text("SELECT queued_at FROM report_queue ORDER BY id LIMIT 1"))
    ).scalar()
    return at
