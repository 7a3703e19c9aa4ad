"""A whole campaign by several processes through the real PgBouncer in transaction mode, three connections."""

import contextlib
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.files import campaign_toml, contacts_csv
from tests.support.house import (
    House,
    ask,
    free_port,
    nobody_was_dialled_twice,
    standing,
    until,
    wait_until_over,
)
from tests.support.pgbouncer import pgbouncer, plain

pytestmark = pytest.mark.timeout(900)

POOL = 3
CONTACTS = [f"+1212555{n:04}" for n in range(60)]
TRACKED = {"application_name", "client_encoding", "DateStyle", "standard_conforming_strings", "TimeZone"}
"""What PgBouncer itself sets anew for each client."""


def test_a_campaign_runs_through_pgbouncer_and_no_transaction_leaves_anything_in_a_session(
    folder: Path, empty_url: str
) -> None:
    with pgbouncer(folder, empty_url, pool_size=POOL) as url:
        house = House(folder, url, rate=30.0, cps=0.7)
        house.run("db", "upgrade")
        house.run(
            "contacts", "import", str(contacts_csv(folder / "people.csv", CONTACTS)), "--list", "people"
        )
        house.run("create", str(campaign_toml(folder / "solar.toml", "Solar", "people", budget=1)))
        house.run("start", "Solar")
        with (
            house.simulator("--fault", "callback_loss=0.1"),
            house.service("first"),
            house.service("second", "--role", "dialer", port=free_port()) as second,
        ):
            until(lambda: standing(url)["attempts"] >= 20, 120, lambda: house.log_of("first")[-3000:])
            shown = house.run("status", "Solar").stdout
            assert "Solar" in shown
            # The scheduling and the dialling are handed over in mid-campaign.
            second.terminate()
            assert second.wait(90) == 0
            with house.service("third", "--role", "dialer", port=free_port()):
                wait_until_over(house, url)
            nobody_was_dialled_twice(house, url)
            for name in ("first", "second", "third"):
                assert "[error" not in house.log_of(name), house.log_of(name)[-3000:]
        # On a busy machine an intent grows too old and is made anew: there may be more of them than people.
        stands = standing(url)
        assert stands.pop("attempts") >= 60
        assert stands == {"unsettled": 0, "without_outcome": 0, "left": 0}
        assert ask(url, "SELECT sum(reserved) AS left FROM campaign_spend") == [{"left": 0}]
        sessions = what_sessions_hold(url)
    assert len({session["pid"] for session in sessions}) == POOL
    for session in sessions:
        assert set(session.pop("settings")) <= TRACKED
        del session["pid"]
        assert session == {"prepared": 0, "cursors": 0, "channels": 0, "advisory": 0, "temporary": 0}


def what_sessions_hold(url: str) -> list[dict[str, Any]]:
    """Of each connection that PgBouncer has to the server: who holds all of them at once sees each."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(psycopg.connect(plain(url), row_factory=dict_row, prepare_threshold=None))
            for _ in range(POOL)
        ]
        found = [
            client.execute(
                """
                SELECT pg_backend_pid() AS pid,
                       (SELECT count(*) FROM pg_prepared_statements) AS prepared,
                       (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
                       (SELECT count(*) FROM pg_listening_channels()) AS channels,
                       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS advisory,
                       (SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
                       (SELECT coalesce(array_agg(name), '{}') FROM pg_settings
                         WHERE source = 'session') AS settings
                """
            ).fetchone()
            for client in clients
        ]
    return [row for row in found if row is not None]
