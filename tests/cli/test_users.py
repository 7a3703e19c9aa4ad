"""`campaign users`: people who may sign in, from the server's own terminal."""

import json

from campaign.flow import sign_in as flow
from campaign.flow.passwords import Passwords
from campaign.flow.sign_in import Browser
from campaign.store.accounts import audit_trail
from tests.cli.conftest import OnDb, Run
from tests.support.clock import TUESDAY_MORNING


def test_a_user_is_added_given_a_role_shut_out_and_let_in_again(cli: Run, on_db: OnDb):
    assert "no user yet" in cli("users list").stdout
    made = json.loads(cli("users add Ana@Example.com --role operator --name 'Ana Lima' --json").stdout)
    assert (made["email"], made["role"], made["name"]) == ("ana@example.com", "operator", "Ana Lima")
    assert made["link"].startswith("http://127.0.0.1:8080/console/welcome/")
    assert "is a user already" in cli("users add ana@example.com --role admin", code=3).output
    assert "ana@example.com is analyst." in cli("users role ana@example.com analyst").output
    assert "no password yet" in cli("users list").stdout
    assert "is shut out" in cli("users disable ANA@example.com").output
    assert "disabled" in cli("users list").stdout
    assert "can sign in again" in cli("users disable ana@example.com --undo").output
    assert "was not locked out" in cli("users unlock ana@example.com").output
    fresh = cli("users password ana@example.com").stdout.strip()
    assert fresh.startswith("http://127.0.0.1:8080/console/welcome/")
    assert fresh != made["link"]

    async def trail(db):
        async with db.connection() as tx:
            return [(entry.actor.partition(":")[0], entry.action) for entry in await audit_trail(tx)]

    acts = ("create", "role", "disable", "enable", "unlock", "link")
    assert on_db(trail) == [("cli", f"user.{act}") for act in reversed(acts)]


def test_the_last_admin_stays_and_who_is_not_there_is_said(cli: Run):
    cli("users add ana@example.com --role admin")
    assert "the last admin" in cli("users role ana@example.com analyst", code=3).output
    assert "the last admin" in cli("users disable ana@example.com", code=3).output
    assert "There is no user ben@example.com" in cli("users role ben@example.com admin", code=2).output
    assert "no e-mail address" in cli("users add ben --role admin", code=2).output


def test_the_printed_link_chooses_the_password(cli: Run, on_db: OnDb):
    link = cli("users add ana@example.com --role admin").stdout.strip().rpartition("/")[2]
    browser = Browser("203.0.113.7", "", "token")

    async def choose(db):
        now = TUESDAY_MORNING  # before the link was made by the machine's clock: it is in force
        passwords = Passwords(lambda: b"0123456789abcdef")
        return await flow.password_by_link(
            db, passwords, link=link, password="seven green lamps", browser=browser, now=now
        )

    assert on_db(choose).email == "ana@example.com"
