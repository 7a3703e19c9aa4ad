"""Builders for tests: lists with contacts, definitions, attempts."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import text

from campaign.domain.campaign import CampaignDefinition, from_json, parse_toml, to_json
from campaign.domain.rulebook import Rulebook, parse_rulebook
from campaign.store.database import Database
from tests.support.clock import TUESDAY_MORNING

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
NEW_YORK = "US|US-NY|America/New_York"
LOS_ANGELES = "US|US-CA|America/Los_Angeles"


@lru_cache(maxsize=1)
def rulebook() -> Rulebook:
    """The packs that come with the package."""
    folder = resources.files("campaign") / "rulebooks"
    return parse_rulebook(
        {e.name: e.read_text("utf-8") for e in folder.iterdir() if e.name.endswith(".toml")}
    )


def definition(**changes: Any) -> CampaignDefinition:
    """The minimal sample with some keys changed (JSON values)."""
    base = to_json(parse_toml((SAMPLES / "minimal.toml").read_text(), "minimal.toml"))
    return from_json({**base, **changes})


def phone(n: int) -> str:
    return f"+1212555{n:04}"


async def make_list(
    db: Database,
    name: str = "sample",
    contacts: int = 0,
    *,
    columns: Sequence[str] = ("first_name", "phone"),
    first: int = 0,
    place: str = NEW_YORK,
    imported: str | None = None,
    now: datetime = TUESDAY_MORNING,
) -> int:
    """A list with contacts; its id.

    Args:
        contacts: how many; their numbers are phone(first), phone(first + 1) …
        imported: state of the import that they come from; None: added singly.
    """
    async with db.transaction() as tx:
        list_id: int = (
            await tx.execute(
                text(
                    "INSERT INTO contact_lists (name, columns, created_by, created_at) "
                    "VALUES (:name, :columns, 'test', :now) "
                    "ON CONFLICT (name) DO UPDATE SET columns = excluded.columns RETURNING id"
                ),
                {"name": name, "columns": list(columns), "now": now},
            )
        ).scalar_one()
    await add_contacts(db, list_id, contacts, first=first, place=place, imported=imported, now=now)
    return list_id


async def add_contacts(
    db: Database,
    list_id: int,
    contacts: int,
    *,
    first: int = 0,
    place: str = NEW_YORK,
    imported: str | None = None,
    now: datetime = TUESDAY_MORNING,
) -> int | None:
    """More contacts for a list; the import's id."""
    import_id: int | None = None
    async with db.transaction() as tx:
        if imported is not None:
            import_id = (
                await tx.execute(
                    text(
                        "INSERT INTO imports (kind, list_id, file_name, file_bytes, state, actor, "
                        "started_at, beat_at) "
                        "VALUES ('contacts', :list, 'x.csv', 1, :state, 'test', :now, :now) "
                        "RETURNING id"
                    ),
                    {"list": list_id, "state": imported, "now": now},
                )
            ).scalar_one()
        await tx.execute(
            text(
                "INSERT INTO contacts (list_id, import_id, phone, place, created_at) "
                "SELECT :list, :import, '+1212555' || lpad(n::text, 4, '0'), :place, :now "
                "FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n ON CONFLICT DO NOTHING"
            ),
            {
                "list": list_id,
                "import": import_id,
                "place": place,
                "now": now,
                "first": first,
                "last": first + contacts - 1,
            },
        )
    return import_id


async def rows(db: Database, sql: str, **given: Any) -> list[dict[str, Any]]:
    """What a statement finds (or returns), as dicts."""
    async with db.transaction() as tx:
        found = await tx.execute(text(sql), given)
        return [dict(row._mapping) for row in found] if found.returns_rows else []


async def make_attempt(
    db: Database,
    campaign_id: int,
    to: str,
    *,
    state: str = "ringing",
    disposition: str | None = None,
    now: datetime = TUESDAY_MORNING,
    **more: Any,
) -> int:
    """An attempt to an enrolled contact; with a disposition, one that has ended with that outcome."""
    settled = state in ("ended", "not_placed")
    given = {
        "campaign": campaign_id,
        "phone": to,
        "state": state,
        "now": now,
        "settled": now if settled else None,
        "answered": now if state == "answered" or more.get("seconds") else None,
        "sid": f"CA{campaign_id}{to[-4:]}{disposition or ''}{more.get('number', 1)}",
        "number": more.get("number", 1),
        "due_for": more.get("due_for", "first"),
        "answered_by": more.get("answered_by"),
    }
    found = await rows(
        db,
        "INSERT INTO attempts (marker, campaign_id, campaign_contact_id, contact_id, campaign_version, "
        "phone, caller_id, state, intent_at, slot_at, replica, settled_at, answered_at, ended_at, "
        "call_sid, number, due_for, answered_by) "
        "SELECT gen_random_uuid(), c.id, cc.id, cc.contact_id, c.version, cc.phone, '+12025550142', :state, "
        ":now, :now, 'test', :settled, CAST(:answered AS timestamptz), :settled, :sid, :number, :due_for, "
        "CAST(:answered_by AS text) "
        "FROM campaigns c JOIN campaign_contacts cc ON cc.campaign_id = c.id AND cc.phone = :phone "
        "WHERE c.id = :campaign RETURNING id, campaign_contact_id",
        **given,
    )
    attempt, contact = found[0]["id"], found[0]["campaign_contact_id"]
    retry_at = more.get("retry_at")
    if disposition is not None:
        await rows(
            db,
            "INSERT INTO outcomes (attempt_id, campaign_id, campaign_contact_id, disposition, category, "
            "seconds, first_word_ms, cost, final, retry_at, recorded_at, answered_by) VALUES (:attempt, "
            ":campaign, :contact, :disposition, :category, :seconds, :word, :cost, :final, :retry_at, :now, "
            "CAST(:answered_by AS text))",
            attempt=attempt,
            campaign=campaign_id,
            contact=contact,
            disposition=disposition,
            category=more.get("category", "neutral"),
            seconds=more.get("seconds", 0),
            word=more.get("first_word_ms"),
            cost=more.get("cost"),
            final=retry_at is None,
            retry_at=retry_at,
            now=now,
            answered_by=more.get("answered_by"),
        )
    await rows(
        db,
        "UPDATE campaign_contacts SET attempts = :number, disposition = :disposition, "
        "state = CASE WHEN CAST(:disposition AS text) IS NULL THEN 'calling' "
        "WHEN CAST(:retry_at AS timestamptz) IS NULL THEN 'done' ELSE 'waiting' END, "
        "next_at = :retry_at WHERE id = :contact",
        contact=contact,
        number=more.get("number", 1),
        disposition=disposition,
        retry_at=retry_at,
    )
    return int(attempt)
