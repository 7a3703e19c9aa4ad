"""What keeps a service or a command from starting is told in sentences, with what to do about it."""

import re
import signal
import socket
from pathlib import Path

import pytest

from campaign.store import migrate
from tests.support.house import House, ask, free_port

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def house(folder: Path, db_url: str) -> House:
    return House(folder, db_url, rate=1, cps=1)


def refused(house: House, *arguments: str) -> str:
    """What a command says that can't do its work: sentences, no traceback, an exit code."""
    done = house.run(*arguments, check=False)
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -signal.SIGSEGV), said
    assert "Traceback" not in said
    assert "Error:" in said
    return re.sub(r"\s+", " ", said)


def test_a_taken_port_is_told(house: House) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", house.port))
        other.listen()
        said = refused(house, "serve", "--port", str(house.port))
    assert f"port {house.port}" in said
    assert "--port" in said


def test_every_missing_setting_is_named(folder: Path, db_url: str) -> None:
    names = ("PUBLIC_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    house = House(folder, db_url, rate=1, cps=1, more=dict.fromkeys(names, ""))
    said = refused(house, "serve", "--port", "0")
    assert [name for name in names if name not in said] == []
    assert ".env" in said


def test_a_database_that_is_down_is_told_with_its_address_and_without_its_password(folder: Path) -> None:
    port = free_port()
    house = House(folder, f"postgresql://ana:hunter2@127.0.0.1:{port}/calls", rate=1, cps=1)
    for command in (["serve", "--port", "0"], ["list"]):
        said = refused(house, *command)
        assert f"127.0.0.1:{port}" in said
        assert "hunter2" not in said


def test_a_schema_that_is_behind_is_refused_with_the_command_to_run(house: House) -> None:
    migrate.downgrade(house.db_url, "-1")
    before = migrate.current(house.db_url)
    for command in (["serve", "--port", "0"], ["list"]):
        assert "campaign db upgrade" in refused(house, *command)
    assert migrate.current(house.db_url) == before
    house.run("db", "upgrade")
    house.run("list")


def test_a_real_service_refuses_a_simulated_database_and_the_reverse(folder: Path, db_url: str) -> None:
    simulated = House(folder, db_url, rate=1, cps=1)
    simulated.run("list")
    real = House(
        folder,
        db_url,
        rate=1,
        cps=1,
        more={
            "PUBLIC_URL": "https://calls.example.com",
            "TWILIO_API_BASE_URL": "",
            "CAMPAIGN_CLOCK": "",
            "CAMPAIGN_CLOCK_RATE": "",
            "CAMPAIGN_CLOCK_ANCHOR": "",
        },
    )
    said = refused(real, "serve", "--port", "0")
    assert "holds calls of a simulator" in said
    ask(db_url, "UPDATE installation SET kind = 'real'")
    assert "real" in refused(simulated, "serve", "--port", "0")
