"""Do-not-call: the own list (all campaigns), campaign lists, registries, and the lock that entries need.

The numbers of registries stand in the blocks of their version in force (registries.py); what was put on a
registry singly, or before registries had versions, is an entry as on any list.

Whoever adds an entry holds DNC_LOCK alone until the entry is committed; whoever writes an intent to dial
holds it shared. So an entry committed before a claim is seen by it, and a claim that was first has its
intent committed before the entry, where `queued_calls` finds it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.domain.errors import BadInput, Conflict, NotFound
from campaign.store.accounts import audit
from campaign.store.database import Tx

DNC_LOCK = 0x0D0C_0001
"""Key of the transaction-level advisory lock under which entries are written."""
OWN = "own"
"""Name and kind of the list that all campaigns honour."""


@dataclass(frozen=True, slots=True)
class DncList:
    """A do-not-call list. `kind`: "own", "campaign" or "registry"; `as_of`: date of a registry's copy;
    `entries`: its numbers, those of the copy included."""

    id: int
    name: str
    kind: str
    as_of: datetime | None
    entries: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A number that stands on a list, with what was kept of why."""

    phone: str
    list_id: int
    list_name: str
    kind: str
    reason: str
    source: str
    quote: str | None
    actor: str
    added_at: datetime
    version: int | None = None
    """Of the registry's copy that has it; `added_at` is the copy's date then."""


async def lock_shared(tx: Tx) -> None:
    """Hold off new entries until this transaction ends; taken by whoever writes intents to dial."""
    await tx.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": DNC_LOCK})


async def lock(tx: Tx) -> None:
    """Wait for intents being written, and hold off new ones until this transaction ends."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": DNC_LOCK})


async def list_named(tx: Tx, name: str | None) -> DncList:
    """A list by name; None is the own list.

    Raises:
        NotFound: there is no such list; the own one is made with its first entry.
    """
    wanted = name or OWN
    for one in await lists(tx, counted=False):
        if one.name == wanted:
            return one
    raise NotFound(
        f'There is no do-not-call list "{wanted}".',
        "See them with: campaign dnc lists. One is made by: campaign dnc import FILE --list NAME",
        list=wanted,
    )


async def ensure_list(
    tx: Tx, name: str | None, kind: str, now: datetime, as_of: datetime | None = None
) -> int:
    """The id of a list, made if it isn't there yet.

    Args:
        name: None for the own list.
        kind: "own", "campaign" or "registry".
        as_of: of a registry that is imported as entries; a later one replaces an earlier.

    Raises:
        BadInput: the name is empty or too long, or "own" for another kind.
        Conflict: a list of that name is of another kind.
    """
    wanted = (name or OWN).strip()
    if not 1 <= len(wanted) <= 200:
        raise BadInput("The name of a do-not-call list has 1 to 200 characters.")
    if wanted == OWN:
        kind = OWN
    row = (
        await tx.execute(
            text(
                """
                INSERT INTO dnc_lists AS l (name, kind, as_of, created_at)
                VALUES (:name, :kind, :as_of, :now)
                ON CONFLICT (name) DO UPDATE SET as_of = greatest(l.as_of, excluded.as_of)
                RETURNING id, kind
                """
            ),
            {"name": wanted, "kind": kind, "as_of": as_of, "now": now},
        )
    ).one()
    if row.kind != kind:
        raise Conflict(
            f'The do-not-call list "{wanted}" is of kind {row.kind}, not {kind}.',
            "Take another name for it. (A registry's copy is loaded with: campaign dnc registry load)",
        )
    return int(row.id)


async def lists(tx: Tx, *, counted: bool = True) -> list[DncList]:
    """All lists, by name; `counted` also counts their entries."""
    count = "(SELECT count(*) FROM dnc_entries e WHERE e.list_id = l.id)" if counted else "0"
    rows = await tx.execute(
        text(
            f"""
            SELECT l.id, l.name, l.kind, coalesce(v.as_of, l.as_of) AS as_of,
                   {count} + coalesce(v.numbers, 0) AS entries
              FROM dnc_lists l LEFT JOIN registry_versions v ON v.list_id = l.id AND v.state = 'active'
             ORDER BY name
            """  # noqa: S608 (constants of this file)
        )
    )
    return [DncList(**row._mapping) for row in rows]


async def add(
    tx: Tx,
    *,
    list_name: str | None,
    phone: str,
    reason: str,
    source: str,
    quote: str | None,
    actor: str,
    now: datetime,
    asked_at: datetime | None = None,
) -> bool:
    """Put one number on a list, under the exclusive lock; in force for the next intent once committed.

    The caller also cancels what is queued for the number (flow/suppress.py does both).

    Args:
        list_name: None for the own list; another list must exist.
        phone: E.164.
        source: "conversation", "keypress", "api", "import", "cli" or "console".
        quote: the person's own words, None when there are none.
        actor: for the audit trail.
        asked_at: when the person asked; None: now.

    Returns:
        False when the number stood there already; what was kept of it stays.

    Raises:
        NotFound: there is no such list.
    """
    await lock(tx)
    if list_name is None or list_name == OWN:
        list_id = await ensure_list(tx, None, OWN, now)
    else:
        list_id = (await list_named(tx, list_name)).id
    added = await bulk_add(
        tx,
        list_id,
        [(phone, reason)],
        source=source,
        actor=actor,
        now=asked_at or now,
        quote=quote,
        locked=True,
    )
    if added:
        detail = {"list": list_name or OWN, "reason": reason, "source": source, "quote": quote}
        await audit(tx, actor, "dnc.add", f"phone:{phone}", now, detail)
    return bool(added)


async def bulk_add(
    tx: Tx,
    list_id: int,
    entries: Sequence[tuple[str, str]],
    *,
    source: str,
    actor: str,
    now: datetime,
    quote: str | None = None,
    locked: bool = False,
) -> int:
    """Put many numbers on a list; numbers that stand there stay as they are.

    Args:
        entries: (E.164, reason).
        locked: the caller holds the lock already.

    Returns:
        how many were new.
    """
    if not entries:
        return 0
    if not locked:
        await lock(tx)
    done = await tx.execute(
        text(
            """
            INSERT INTO dnc_entries (list_id, phone, reason, source, quote, actor, added_at)
            SELECT :list_id, u.phone, u.reason, :source, CAST(:quote AS text), :actor, :now
              FROM unnest(CAST(:phones AS text[]), CAST(:reasons AS text[])) AS u (phone, reason)
            ON CONFLICT (phone, list_id) DO NOTHING
            """
        ),
        {
            "list_id": list_id,
            "phones": [phone for phone, _ in entries],
            "reasons": [reason for _, reason in entries],
            "source": source,
            "quote": quote,
            "actor": actor,
            "now": now,
        },
    )
    return int(done.rowcount)


@dataclass(frozen=True, slots=True)
class Removed:
    """A number that is off a list. `consent_ended_at`: consent up to then counts no more; None: consent
    stands as it was."""

    was: Hit
    consent_ended_at: datetime | None


OWN_WORDS = frozenset({"conversation", "keypress"})
"""Sources of entries that the person themself asked for, in a call."""


async def remove(
    tx: Tx,
    *,
    list_name: str | None,
    phone: str,
    reason: str,
    actor: str,
    now: datetime,
    new_consent: str | None = None,
    mistake: bool = False,
) -> Removed | None:
    """Take a number off a list, on an operator's word; the audit trail keeps who did it, why, and the entry.

    An entry of the own list was a request, so consent that was given before it stays ended (47 CFR
    64.1200(a)(10)): only consent that is dated later lets the number be called again. Unless the entry was
    a mistake and nobody had asked.

    Args:
        reason: why, for the books; not empty.
        new_consent: where the person's new consent comes from; demanded for what they asked for in a call.
        mistake: nobody ever asked, so consent stands.

    Returns:
        None when the number did not stand there.

    Raises:
        NotFound: there is no such list.
        BadInput: there is no reason.
        Conflict: the person asked for it in a call, and no new consent is named.
    """
    if not reason.strip():
        raise BadInput("A number comes off a do-not-call list only with a reason.", "Say why, for the books.")
    await lock(tx)
    if list_name is None:
        await ensure_list(tx, None, OWN, now)
    kept = await list_named(tx, list_name)
    was = next((hit for hit in await check(tx, phone) if hit.list_id == kept.id), None)
    if was is None:
        return None
    if was.source in OWN_WORDS and not new_consent:
        raise Conflict(
            f"The person asked in a call on {was.added_at:%Y-%m-%d} not to be called"
            + (f' ("{was.quote}").' if was.quote else "."),
            "It comes off only with consent given since: say where that comes from "
            '(--new-consent "web form of 2026-12-01", in the API new_consent).',
        )
    await tx.execute(
        text("DELETE FROM dnc_entries WHERE phone = :phone AND list_id = :list_id"),
        {"phone": phone, "list_id": kept.id},
    )
    ended = was.added_at if kept.kind == OWN and (new_consent or not mistake) else None
    if ended is not None:
        await _end_consent(tx, was, new_consent, actor, now)
    detail = {
        "list": kept.name,
        "reason": reason,
        "new_consent": new_consent,
        "mistake": mistake,
        "entry": {
            "reason": was.reason,
            "source": was.source,
            "quote": was.quote,
            "actor": was.actor,
            "added_at": was.added_at.isoformat(),
        },
    }
    await audit(tx, actor, "dnc.remove", f"phone:{phone}", now, detail)
    return Removed(was, ended)


async def _end_consent(tx: Tx, was: Hit, new_consent: str | None, actor: str, now: datetime) -> None:
    await tx.execute(
        text(
            """
            INSERT INTO consent_revocations AS r (phone, at, quote, source, new_consent, actor, recorded_at)
            VALUES (:phone, :at, :quote, :source, :new_consent, :actor, :now)
            ON CONFLICT (phone) DO UPDATE
               SET at = excluded.at, quote = excluded.quote, source = excluded.source,
                   new_consent = excluded.new_consent, actor = excluded.actor,
                   recorded_at = excluded.recorded_at
             WHERE r.at <= excluded.at
            """
        ),
        {
            "phone": was.phone,
            "at": was.added_at,
            "quote": was.quote,
            "source": was.source,
            "new_consent": new_consent,
            "actor": actor,
            "now": now,
        },
    )


REVOKED = "revoked"
"""Kind of a hit that is on no list any more: consent up to `added_at` counts no more."""
_REVOCATIONS = f"""
             UNION ALL
            SELECT r.phone, 0, '', '{REVOKED}', 'consent was revoked', r.source, r.quote, r.actor, r.at,
                   NULL
              FROM consent_revocations r WHERE r.phone = ANY(:phones)
"""  # noqa: S608 (a constant)


async def hits(tx: Tx, phones: Collection[str], list_ids: Collection[int] = ()) -> list[Hit]:
    """Where numbers stand: on the own list, on any registry, and on those of the given lists. And of numbers
    that came off the own list, until when their consent was revoked (kind `REVOKED`).

    Args:
        phones: E.164.
        list_ids: of campaign lists that count here.
    """
    return await _hits(
        tx, phones, "(l.kind <> 'campaign' OR l.id = ANY(:lists))", list(list_ids), _REVOCATIONS
    )


async def check(tx: Tx, phone: str) -> list[Hit]:
    """Every list of any kind that has the number."""
    return await _hits(tx, [phone], "true", [])


_HAS_IT = """
    CASE WHEN b.bits IS NULL THEN CAST(n.digits % 10000 AS smallint) = ANY(b.few)
         ELSE get_bit(b.bits, n.digits % 10000) = 1 END
"""
ON_VERSIONS = (
    f"JOIN registry_blocks b ON b.version_id = ANY(:versions) AND b.block = n.digits / 10000 AND {_HAS_IT}"
)
"""Joins many `n` (`digits`: E.164 without "+", a bigint) to those versions of registries that have them.

A claim's few numbers are looked up one by one instead (`_hits`): whatever the planner believes of a table
that was just filled, it must not read all of it for a claim.
"""


async def _hits(
    tx: Tx, phones: Collection[str], which: str, list_ids: list[int], more: str = ""
) -> list[Hit]:
    if not phones:
        return []
    rows = await tx.execute(
        text(
            f"""
            SELECT e.phone, e.list_id, l.name AS list_name, l.kind, e.reason, e.source, e.quote, e.actor,
                   e.added_at, NULL AS version
              FROM dnc_entries e JOIN dnc_lists l ON l.id = e.list_id
             WHERE e.phone = ANY(:phones) AND {which}
             UNION ALL
            SELECT n.phone, v.list_id, l.name, l.kind, '', 'registry', NULL, v.actor, v.as_of, v.number
              FROM registry_versions v
              JOIN dnc_lists l ON l.id = v.list_id
             CROSS JOIN LATERAL (
                    SELECT u.phone, CAST(substr(u.phone, 2) AS bigint) AS digits
                      FROM unnest(CAST(:phones AS text[])) AS u (phone)) AS n
             CROSS JOIN LATERAL (
                    SELECT FROM registry_blocks b
                     WHERE b.version_id = v.id AND b.block = n.digits / 10000 AND {_HAS_IT}
                     LIMIT 1) AS found
             WHERE v.state = 'active'
             {more}
             ORDER BY 1, 3
            """  # noqa: S608 (constants of this file)
        ),
        {"phones": list(phones), "lists": list_ids},
    )
    return [Hit(**row._mapping) for row in rows]


# The campaigns that a list forbids: its own kind decides. A registry forbids none by itself, because recorded
# consent may lift it; the dialler's rules judge that.
_FORBIDS = """
    EXISTS (SELECT 1 FROM dnc_lists l
             WHERE l.id = :list_id
               AND (l.kind = 'own'
                    OR (l.kind = 'campaign'
                        AND EXISTS (SELECT 1 FROM campaign_dnc_lists c
                                     WHERE c.dnc_list_id = l.id AND c.campaign_id = {of}.campaign_id))))
"""


async def block_waiting(tx: Tx, phones: Collection[str], list_id: int, now: datetime) -> int:
    """Campaign contacts whose next call would go to one of the numbers wait no longer.

    Args:
        phones: E.164, just put on the list `list_id`.

    Returns:
        how many were blocked.
    """
    done = await tx.execute(
        text(
            f"""
            UPDATE campaign_contacts cc
               SET state = 'blocked', next_at = NULL, disposition = 'do_not_call',
                   waiting_for = 'dnc.own', updated_at = :now
              FROM contacts k
             WHERE k.id = cc.contact_id AND cc.state = 'waiting'
               AND (k.phone = ANY(:phones)
                    OR (k.other_phones <> '{{}}'::text[]
                        AND k.other_phones && CAST(:phones AS text[])))
               AND CASE WHEN cc.number_index = 0 THEN k.phone
                        ELSE k.other_phones[cc.number_index] END = ANY(:phones)
               AND {_FORBIDS.format(of="cc")}
            """  # noqa: S608 (constants of this file)
        ),
        {"phones": list(phones), "list_id": list_id, "now": now},
    )
    return int(done.rowcount)


async def unblock(tx: Tx, phone: str, now: datetime) -> int:
    """After a removal: campaign contacts that only do-not-call blocked are judged anew.

    Returns:
        how many wait again.
    """
    done = await tx.execute(
        text(
            """
            UPDATE campaign_contacts cc
               SET state = 'waiting', next_at = :now, disposition = NULL, waiting_for = NULL,
                   decision = NULL, updated_at = :now
              FROM contacts k
             WHERE k.id = cc.contact_id AND cc.state = 'blocked' AND cc.waiting_for = 'dnc.own'
               AND (k.phone = :phone
                    OR (k.other_phones <> '{}'::text[] AND k.other_phones && ARRAY[CAST(:phone AS text)]))
            """
        ),
        {"phone": phone, "now": now},
    )
    return int(done.rowcount)


async def numbers_beside(tx: Tx, phones: Collection[str], attempt_id: int | None = None) -> list[str]:
    """The other numbers of the person: of the contact that an attempt was for, or of every contact that has
    one of the numbers.

    Args:
        phones: E.164.
        attempt_id: the call in which the person spoke; None: ask by the numbers alone.
    """
    whose = "k.id = (SELECT contact_id FROM attempts WHERE id = :attempt)"
    if attempt_id is None:
        whose = """k.id IN (SELECT id FROM contacts WHERE phone = ANY(:phones)
                             UNION ALL
                            SELECT id FROM contacts
                             WHERE other_phones <> '{}'::text[]
                               AND other_phones && CAST(:phones AS text[]))"""
    rows = await tx.execute(
        text(
            f"""
            SELECT DISTINCT n.phone
              FROM contacts k CROSS JOIN LATERAL unnest(ARRAY[k.phone] || k.other_phones) AS n (phone)
             WHERE {whose} AND n.phone <> ALL(:phones)
             ORDER BY n.phone
            """  # noqa: S608 (constants of this file)
        ),
        {"phones": list(phones)} | ({} if attempt_id is None else {"attempt": attempt_id}),
    )
    return [row.phone for row in rows]


async def queued_calls(tx: Tx, phones: Collection[str], list_id: int, now: datetime) -> list[str]:
    """Mark calls to the numbers to be cancelled: intended, queued or ringing, never an answered one.

    Returns:
        sids of those that Twilio knows; the sweep cancels the others when it learns their sids.
    """
    rows = await tx.execute(
        text(
            f"""
            UPDATE attempts a
               SET cancel_at = :now, cancel_why = 'do_not_call'
             WHERE a.phone = ANY(:phones) AND a.settled_at IS NULL AND a.cancel_at IS NULL
               AND a.state IN ('placing', 'unknown', 'placed', 'ringing')
               AND {_FORBIDS.format(of="a")}
            RETURNING a.call_sid
            """  # noqa: S608 (constants of this file)
        ),
        {"phones": list(phones), "list_id": list_id, "now": now},
    )
    return [row.call_sid for row in rows if row.call_sid]
