"""Tiny builders of rows, for tests that begin in the middle of the story."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from campaign.store.database import Database, Tx

SID = "CA" + "0" * 31 + "1"
PHONE = "+12125550142"
CALLER = "+12125550100"

DEFINITION: dict[str, Any] = {
    "name": "autumn",
    "purpose": "sales",
    "seller": {
        "legal_name": "Example Energy LLC",
        "callback_number": "+12125550100",
        "opt_out_number": "+18005550100",
    },
    "lists": [{"name": "people"}],
    "caller_ids": [{"number": CALLER}],
    "script": {
        "greeting": "Hello {{ first_name | there }}.",
        "goal": "Find out whether a visit is welcome.",
        "voicemail": "Hello {{ first_name | there }}, please call us back.",
        "transfers": {"sales": {"to": "+12125550199", "name": "our sales team"}},
    },
}


def definition(**changes: Any) -> dict[str, Any]:
    """A stored definition with some of its sections changed."""
    return {**DEFINITION, **changes}


async def _id(tx: Tx, statement: str, **given: Any) -> int:
    value: int = (await tx.execute(text(statement), given)).scalar_one()
    return value


async def campaign(
    tx: Tx, now: datetime, *, name: str = "autumn", state: str = "running", **changes: Any
) -> int:
    """A campaign with version 1 of its definition; returns its id."""
    made = await _id(
        tx,
        "INSERT INTO campaigns (name, state, state_at, version, lines, created_by, created_at) "
        "VALUES (:name, :state, :now, 1, 10, 'test', :now) RETURNING id",
        name=name,
        state=state,
        now=now,
    )
    await tx.execute(
        text(
            "INSERT INTO campaign_versions (campaign_id, version, definition, created_by, created_at) "
            "VALUES (:id, 1, CAST(:definition AS jsonb), 'test', :now)"
        ),
        {"id": made, "definition": json.dumps(definition(name=name, **changes)), "now": now},
    )
    return made


async def contact(
    tx: Tx, now: datetime, *, phone: str = PHONE, others: tuple[str, ...] = (), first_name: str = "Ada"
) -> int:
    """A contact of the list `people`; returns its id."""
    list_id = await _id(
        tx,
        "INSERT INTO contact_lists AS l (name, created_by, created_at) VALUES ('people', 'test', :now) "
        "ON CONFLICT (name) DO UPDATE SET name = l.name RETURNING id",
        now=now,
    )
    return await _id(
        tx,
        "INSERT INTO contacts (list_id, phone, other_phones, place, variables, created_at) "
        "VALUES (:list_id, :phone, :others, 'US||America/New_York', CAST(:variables AS jsonb), :now) "
        "RETURNING id",
        list_id=list_id,
        phone=phone,
        others=list(others),
        variables=json.dumps({"first_name": first_name}),
        now=now,
    )


async def enrolled(
    tx: Tx, now: datetime, campaign_id: int, contact_id: int, *, phone: str = PHONE, state: str = "calling"
) -> int:
    """A contact enrolled in a campaign, being called; returns the enrolment's id."""
    return await _id(
        tx,
        "INSERT INTO campaign_contacts (campaign_id, contact_id, phone, state, next_at, attempts, "
        "updated_at) VALUES (:campaign_id, :contact_id, :phone, CAST(:state AS text), "
        "CASE WHEN CAST(:state AS text) = 'waiting' THEN CAST(:now AS timestamptz) END, 1, :now) "
        "RETURNING id",
        campaign_id=campaign_id,
        contact_id=contact_id,
        phone=phone,
        state=state,
        now=now,
    )


async def attempt(tx: Tx, now: datetime, **columns: Any) -> int:
    """An attempt whose intent was committed at `now`; more columns by name. Returns its id."""
    values = {
        "marker": "marker-1",
        "phone": PHONE,
        "caller_id": CALLER,
        "state": "placing",
        "intent_at": now,
        "slot_at": now,
        "replica": "one",
        "lease_until": now + timedelta(seconds=30),
        **columns,
    }
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    return await _id(tx, f"INSERT INTO attempts ({names}) VALUES ({places}) RETURNING id", **values)


async def dialled(
    db: Database,
    now: datetime,
    *,
    phone: str = PHONE,
    others: tuple[str, ...] = (),
    campaign_state: str = "running",
    sections: dict[str, Any] | None = None,
    **columns: Any,
) -> int:
    """A campaign, a contact enrolled in it, and an attempt to reach it; returns the attempt's id."""
    async with db.transaction() as tx:
        campaign_id = await campaign(tx, now, state=campaign_state, **(sections or {}))
        contact_id = await contact(tx, now, phone=phone, others=others)
        place = await enrolled(tx, now, campaign_id, contact_id, phone=phone)
        return await attempt(
            tx,
            now,
            **{
                "campaign_id": campaign_id,
                "campaign_version": 1,
                "contact_id": contact_id,
                "campaign_contact_id": place,
                "phone": phone,
                **columns,
            },
        )


async def replica(tx: Tx, now: datetime, name: str = "one") -> None:
    """A replica that has just shown that it is alive."""
    await tx.execute(
        text(
            "INSERT INTO replicas (id, role, host, pid, started_at, beat_at) "
            "VALUES (:name, 'all', 'here', 1, :now, :now) ON CONFLICT (id) DO UPDATE SET beat_at = :now"
        ),
        {"name": name, "now": now},
    )


async def row(db: Database, table: str, where: str = "true", **given: Any) -> dict[str, Any]:
    """The one row of a table that a condition finds."""
    async with db.connection() as tx:
        found = await tx.execute(text(f"SELECT * FROM {table} WHERE {where}"), given)
        return dict(found.mappings().one())


async def rows(db: Database, table: str, order: str = "1") -> list[dict[str, Any]]:
    """All rows of a table."""
    async with db.connection() as tx:
        found = await tx.execute(text(f"SELECT * FROM {table} ORDER BY {order}"))
        return [dict(one) for one in found.mappings()]


async def run(db: Database, statement: str, **given: Any) -> None:
    """One statement, committed."""
    async with db.transaction() as tx:
        await tx.execute(text(statement), given)


def form(status: str, sequence: int, at: datetime, *, sid: str = SID, **more: str) -> dict[str, str]:
    """A status callback's form, with the blank fields that Twilio sends."""
    return {
        "AccountSid": "AC" + "0" * 32,
        "ApiVersion": "2010-04-01",
        "CallSid": sid,
        "CallStatus": status,
        "Direction": "outbound-api",
        "From": CALLER,
        "To": PHONE,
        "ToCity": "",
        "Timestamp": at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000"),
        "CallbackSource": "call-progress-events",
        "SequenceNumber": str(sequence),
        **more,
    }
