"""Tries at once, first users at once: what no check before the deed could keep apart."""

import asyncio

from campaign.domain.errors import CampaignError, NotSignedIn, TooManyTries
from campaign.domain.sign_in import TRIES_BY_USER
from campaign.flow import sign_in as flow
from campaign.flow.passwords import Passwords
from campaign.flow.sign_in import Browser
from campaign.store import users
from campaign.store.database import Database
from tests.support.clock import ManualClock


def hashing() -> Passwords:
    return Passwords(lambda: b"0123456789abcdef")


def browser(number: int) -> Browser:
    return Browser(address=f"203.0.113.{number}", name="", token=f"token {number}")


async def test_many_tries_at_once_check_no_more_passwords_than_are_free(db: Database, clock: ManualClock):
    passwords = hashing()

    async def attempt(number: int) -> type[Exception] | None:
        try:
            await flow.sign_in(
                db,
                passwords,
                email="ana@example.com",
                password="a guess of many",
                browser=browser(number),
                now=clock.now(),
            )
        except CampaignError as error:
            return type(error)
        return None

    ends = await asyncio.gather(*(attempt(number) for number in range(20)))
    assert ends.count(NotSignedIn) == TRIES_BY_USER
    assert ends.count(TooManyTries) == 20 - TRIES_BY_USER


async def test_of_many_who_use_the_first_link_at_once_one_becomes_the_first_user(
    db: Database, clock: ManualClock
):
    passwords = hashing()
    await flow.first_link(db, "link", actor="test", now=clock.now())

    async def attempt(number: int) -> bool:
        try:
            await flow.first_user(
                db,
                passwords,
                link="link",
                email=f"user{number}@example.com",
                name="Somebody",
                password="seven green lamps",
                browser=browser(number),
                now=clock.now(),
            )
        except CampaignError:
            return False
        return True

    assert (await asyncio.gather(*(attempt(number) for number in range(5)))).count(True) == 1
    async with db.connection() as tx:
        assert len(await users.listed(tx)) == 1
