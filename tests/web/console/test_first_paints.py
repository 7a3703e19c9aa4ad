"""What a page reads before it is shown first doesn't grow with the calls that were ever made."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from benchmarks import paints, reports
from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.web.conftest import PersonFor

ATTEMPTS = 10_000
MOST = 1_000
"""Rows that one statement may touch in tables that grow with the calls."""
GROWING = {"attempts", "outcomes", "contacts", "campaign_contacts", "decisions", "conversation_turns"}


@contextmanager
def asked(services: Services) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is asked while the block runs."""
    found: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        found.append((statement, parameters))

    engine = services.db._engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def touched(plan: dict[str, Any]) -> float:
    """Rows of growing tables that a plan has read, those that it dropped again too."""
    count = 0.0
    if plan.get("Relation Name") in GROWING:
        each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        count = each * plan["Actual Loops"]
    return count + sum(touched(part) for part in plan.get("Plans", []))


async def test_first_paints_touch_few_rows_however_many_calls_there_were(
    services: Services, person_for: PersonFor
):
    url = services.db._engine.url.render_as_string(hide_password=False)
    reports.prepare(url, ATTEMPTS)
    await paints.make_readable(services.db)
    person = await person_for(Role.ADMIN)
    for path in paints.PAGES:
        if "disposition" in path:  # its search looks at the newest calls one by one, at so many and no more
            continue
        with asked(services) as statements:
            answer = await person.get(path)
        assert answer.status_code == 200, path
        async with services.db.connection() as tx:
            for statement, parameters in statements:
                if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
                    continue
                told = await tx.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
                plan = told.scalar_one()
                plan = plan if isinstance(plan, list) else json.loads(plan)
                count = touched(plan[0]["Plan"])
                assert count <= MOST, f"{path} reads {count:.0f} rows:\n{statement}"
