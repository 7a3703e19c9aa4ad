"""What a conversation knows of its contact: the language, and when they may be called again."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign.flow import voice
from campaign.flow.answers import Converse, SayAndHangUp
from campaign.flow.sessions import SessionContext, open_session
from campaign.store.database import Database
from campaign.wiring import read_rulebook
from tests.support.clock import ManualClock
from tests.support.rows import dialled

SID = "CA" + "7" * 32
NEW_YORK = ZoneInfo("America/New_York")
SCRIPT: dict[str, Any] = {
    "greeting": "Hi {{ first_name }}.",
    "goal": "Talk.",
    "languages": {"es-MX": {"greeting": "Hola {{ first_name }}.", "voice": "lucia"}},
    # The contact's only column; what matters is that its cell names a language.
    "language_column": "first_name",
    "language_values": {"Ada": "es-MX"},
}


def mint(marker: str, ordinal: int) -> str:
    return f"token-of-{marker}-{ordinal}"


async def answered(db: Database, clock: ManualClock, **sections: Any) -> Any:
    await dialled(db, clock.now(), call_sid=SID, sections={"script": SCRIPT, **sections})
    return await voice.answer(
        db, "marker-1", {"CallSid": SID, "CallStatus": "in-progress"}, clock.now(), mint=mint
    )


async def opened(db: Database, clock: ManualClock, **given: Any) -> SessionContext:
    session = await open_session(db, mint("marker-1", 1), "one", clock.now(), **given)
    assert session is not None
    return session


async def test_the_call_begins_in_the_language_of_the_contacts_column(
    db: Database, clock: ManualClock
) -> None:
    said = await answered(db, clock)
    assert isinstance(said, Converse)
    assert (said.script.language, said.script.voice) == ("es-MX", "lucia")
    assert list(said.script.languages) == ["en-US"]
    session = await opened(db, clock)
    assert session.definition.script.greeting == "Hola {{ first_name }}."


async def test_a_cell_that_names_no_declared_language_leaves_the_campaigns_own(
    db: Database, clock: ManualClock
) -> None:
    said = await answered(db, clock, script={**SCRIPT, "language_values": {"Eve": "es-MX"}})
    assert isinstance(said, Converse)
    assert said.script.language == "en-US"


async def test_who_is_turned_away_hears_why_in_their_language(db: Database, clock: ManualClock) -> None:
    await dialled(
        db, clock.now(), call_sid=SID, sections={"script": SCRIPT}, window_closes_at=clock.now()
    )  # fmt: skip
    said = await voice.answer(
        db, "marker-1", {"CallSid": SID, "CallStatus": "in-progress"}, clock.now(), mint=mint
    )
    assert isinstance(said, SayAndHangUp)
    assert said.language == "es-MX"
    assert said.text.startswith("Esta es una llamada")


@pytest.mark.parametrize(
    ("asked", "next_allowed"),
    [
        (datetime(2026, 12, 1, 10, tzinfo=NEW_YORK), datetime(2026, 12, 1, 10, tzinfo=NEW_YORK)),
        # The law would allow eight in the evening; the campaign does not.
        (datetime(2026, 12, 1, 20, tzinfo=NEW_YORK), datetime(2026, 12, 2, 8, tzinfo=NEW_YORK)),
        # The campaign would allow seven in the morning; the law does not.
        (datetime(2026, 12, 2, 7, tzinfo=NEW_YORK), datetime(2026, 12, 2, 8, tzinfo=NEW_YORK)),
        (datetime(2026, 12, 5, 10, tzinfo=NEW_YORK), datetime(2026, 12, 7, 8, tzinfo=NEW_YORK)),
        (datetime(2026, 12, 24, 10, tzinfo=NEW_YORK), datetime(2026, 12, 28, 8, tzinfo=NEW_YORK)),
    ],
)
async def test_callbacks_are_promised_inside_the_law_of_the_place_and_the_campaigns_schedule(
    db: Database, clock: ManualClock, asked: datetime, next_allowed: datetime
) -> None:
    await answered(
        db,
        clock,
        schedule={"week": {"mon-fri": "06:00-17:00"}, "restricted_dates": ["2026-12-24", "2026-12-25"]},
    )
    session = await opened(db, clock, rulebook=read_rulebook())
    assert session.next_callable is not None
    assert session.next_callable(asked) == next_allowed.astimezone(UTC)


async def test_without_the_rules_the_daytime_is_kept(db: Database, clock: ManualClock) -> None:
    await answered(db, clock)
    assert (await opened(db, clock)).next_callable is None
