"""Looking into calls and people: found, told, kept from calls, shown, erased; no number in an address."""

import csv
import io
from datetime import timedelta

import pytest

from campaign.store import decisions, dnc
from campaign.store.accounts import Role
from campaign.web.console import calls
from campaign.wiring import Services
from tests.support import rows
from tests.support.console import Person, text_of
from tests.web.conftest import PersonFor
from tests.web.console.test_watch import talking

NUMBER = rows.PHONE
OTHER = "+12125550177"


@pytest.fixture
async def call(services: Services) -> int:
    """A call that has ended: what was said, an answer, its decision, its outcome, its cost; its id."""
    now = services.clock.now()
    attempt = await talking(services, others=(OTHER,))
    await rows.run(
        services.db,
        "UPDATE attempts SET state = 'ended', ended_at = :end, settled_at = :end, answered_by = 'human', "
        "first_word_ms = 420, call_status = 'completed', recording_sid = :recording WHERE id = :id",
        id=attempt,
        end=now + timedelta(seconds=65),
        recording="RE" + "1" * 32,
    )
    await rows.run(
        services.db,
        "INSERT INTO outcomes (attempt_id, campaign_id, campaign_contact_id, disposition, category, seconds, "
        "summary, cost, cost_lines, final, recorded_at) SELECT id, campaign_id, campaign_contact_id, "
        "'interested', 'success', 65, 'Wants a visit.', 0.11, "
        """'{"connect": "0.03", "relay": "0.08"}', true, :at FROM attempts WHERE id = :id""",
        id=attempt,
        at=now + timedelta(seconds=66),
    )
    await rows.run(
        services.db,
        "INSERT INTO answers (attempt_id, question, value, at) VALUES (:id, 'owns_home', 'true', :at)",
        id=attempt,
        at=now,
    )
    await rows.run(
        services.db,
        "INSERT INTO decisions (campaign_id, campaign_contact_id, phone, verdict, fingerprint, reasons, "
        "packs, decided_at) SELECT campaign_id, campaign_contact_id, phone, 'allow', 'x', "
        "CAST(:reasons AS jsonb), "
        "'[]', intent_at FROM attempts WHERE id = :id",
        id=attempt,
        reasons="""{"verdict": "allow", "at": "2026-11-24T15:00:00+00:00", "until": null, "closes_at": null,
            "callers": [], "packs": [["US", "2026.11.2"]], "reasons": [{"rule": "campaign.hours",
            "kind": "hours", "verdict": "allow", "why": "It is 10:00 there, within 09:00-20:00.",
            "ground": "time", "until": null, "source": ""}]}""",
    )
    return attempt


async def test_a_call_is_told_from_its_decision_to_its_outcome(
    services: Services, person_for: PersonFor, call: int
):
    for kind, form in (
        ("status", '{"CallStatus": "ringing"}'),
        ("amd", '{"AnsweredBy": "human"}'),
        ("twiml", "{}"),
    ):
        await rows.run(
            services.db,
            "INSERT INTO call_events (dedupe, kind, marker, attempt_id, payload, received_at, handled_at) "
            "VALUES (:kind, :kind, 'marker-1', :id, CAST(:form AS jsonb), :at, :at)",
            kind=kind,
            form=form,
            id=call,
            at=services.clock.now(),
        )
    later = "UPDATE attempts SET cancel_at = ended_at + interval '8 s', cancel_why = 'by ana' WHERE id = :id"
    await rows.run(services.db, later, id=call)
    person = await person_for(Role.ANALYST)
    said = text_of((await person.get(f"/console/calls/{call}")).text)
    assert said.index("To be ended by ana.") < said.index("Ended Twilio says"), (
        "it was quicker than it had to be"
    )
    for what in (
        "Call to Ada",
        "Wants a visit.",
        "Decided to call",
        "Our first word came 420 ms later.",
        "cut in here; the rest was not heard",
        "owns home yes",
        "Outcome: interested",
        "1 rules were checked",
        "Twilio: status ringing.",
        "Twilio: who or what picked up human.",
        "Twilio asked what to do",
        "within 09:00-20:00",
        "US 2026.11.2",
        "relay $0.0800",
        "Together $0.11",
        "1 min 05 s",
    ):
        assert what in said, what
    assert (await person.get("/console/calls/999")).status_code == 404


async def test_calls_are_narrowed_by_what_stands_in_the_address(
    services: Services, person_for: PersonFor, call: int
):
    person = await person_for(Role.ANALYST)
    here = f"/console/calls/{call}"
    for query, shown in (
        ("", True),
        ("?disposition=interested&words=who&shortest=60", True),
        ("?disposition=busy", False),
        ("?words=unheard-of", False),
        ("?since=2020-01-01&until=2020-01-02", False),
        ("?since=nonsense&campaign=x&shortest=-1", True),
        (f"?person=a{call}", True),
    ):
        answer = await person.get("/console/calls" + query)
        assert answer.status_code == 200, query
        assert (here in answer.text) == shown, query
    assert "No call fits." in text_of((await person.get("/console/calls?disposition=busy")).text)
    assert (await person.get("/console/calls?cursor=nonsense")).status_code == 400
    assert (await person.get("/console/calls?person=a999")).status_code == 404


async def test_pages_of_calls_follow_one_another(services: Services, person_for: PersonFor):
    now = services.clock.now()
    async with services.db.transaction() as tx:
        for n in range(60):
            at = now + timedelta(seconds=n)
            await rows.attempt(
                tx,
                at,
                marker=f"m{n}",
                phone=f"+1212555{n:04}",
                kind="test",
                state="not_placed",
                settled_at=at,
            )
    person = await person_for(Role.ANALYST)
    first = (await person.get("/console/calls?category=")).text
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = (await person.get("/console/calls" + older)).text
    ids = [page.count('href="/console/calls/') for page in (first, second)]
    assert ids == [50, 10]
    assert 'rel="next"' not in second


async def test_a_call_that_is_up_is_followed_live_and_can_be_ended(services: Services, person_for: PersonFor):
    attempt = await talking(services)
    page = (await (await person_for(Role.OPERATOR)).get(f"/console/calls/{attempt}")).text
    assert f'hx-sse:connect="/console/calls/{attempt}/events"' in page
    assert "End the call" in page
    page = (await (await person_for(Role.ANALYST)).get(f"/console/calls/{attempt}")).text
    assert "End the call" not in page


# ── people ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_number_is_looked_up_without_standing_in_an_address(
    services: Services, person_for: PersonFor, call: int
):
    person = await person_for(Role.OPERATOR)
    answer = await person.post("/console/people", {"number": "+1 (212) 555-0142"})
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert "5550142" not in where
    said = text_of((await person.get(where)).text)
    assert "On list people" in said
    assert "It stands on no do-not-call list." in said
    assert "autumn" in said
    assert "Wants a visit." in said
    for text in ("12", "+1999", ""):
        answer = await person.post("/console/people", {"number": text})
        assert answer.status_code == 400
        assert "Write it with its country" in answer.text
    unknown = await person.post("/console/people", {"number": "+1 312 555 0199"})
    assert unknown.status_code == 200
    assert "Nothing is stored about it" in unknown.text
    assert (await person.get("/console/people/c999")).status_code == 404
    assert (await person.get("/console/people/+12125550142")).status_code == 400


async def listed(services: Services, number: str) -> list[str]:
    async with services.db.connection() as tx:
        return [f"{hit.source} {hit.actor}" for hit in await dnc.check(tx, number)]


async def test_one_click_keeps_a_person_from_calls_and_a_reason_undoes_it(
    services: Services, person_for: PersonFor, call: int
):
    person = await person_for(Role.OPERATOR)
    reference = f"a{call}"
    back = f"/console/calls/{call}"
    said = await person.follow("/console/people/do-not-call", {"reference": reference, "back": back})
    assert "and 1 more of the same person are not called any more" in said
    assert NUMBER not in said.split("Number")[0]
    for number in (NUMBER, OTHER):
        assert await listed(services, number) == ["console user:operator@example.com"]
    undo: dict[str, object] = {"reference": reference, "number": NUMBER}
    said = await person.follow("/console/people/may-be-called", undo)
    assert "only with a reason" in said
    said = await person.follow(
        "/console/people/may-be-called", {**undo, "reason": "clicked on the wrong person", "mistake": "true"}
    )
    assert "is off the list" in said
    assert await listed(services, NUMBER) == []
    assert await listed(services, OTHER) != []


async def test_what_somebody_asked_in_a_call_is_undone_only_by_new_consent(
    services: Services, person_for: PersonFor, call: int
):
    async with services.db.transaction() as tx:
        await dnc.add(
            tx,
            list_name=None,
            phone=NUMBER,
            reason="asked in a call",
            source="conversation",
            actor="system:attempt 1",
            now=services.clock.now(),
            quote="take me off",
        )
    person = await person_for(Role.OPERATOR)
    page = (await person.get(f"/console/people/a{call}")).text
    assert "take me off" in page
    undo: dict[str, object] = {"reference": f"a{call}", "number": NUMBER, "reason": "they wrote to us"}
    assert "comes off only with consent given since" in await person.follow(
        "/console/people/may-be-called", {**undo, "mistake": "true"}
    )
    assert "is off the list" in await person.follow(
        "/console/people/may-be-called", {**undo, "new_consent": "web form of today"}
    )


async def test_only_an_admin_exports_and_erases(services: Services, person_for: PersonFor, call: int):
    operator: Person = await person_for(Role.OPERATOR)
    for path in ("export", "erase"):
        answer = await operator.post(f"/console/people/{path}", {"reference": f"a{call}", "reason": "asked"})
        assert answer.status_code == 403
    assert "/console/people/erase" not in (await operator.get(f"/console/people/a{call}")).text
    admin = await person_for(Role.ADMIN)
    taken = await admin.post("/console/people/export", {"reference": f"a{call}"})
    assert taken.headers["content-disposition"] == f'attachment; filename="person-a{call}.json"'
    assert taken.json()["number"] == NUMBER
    said = await admin.follow("/console/people/erase", {"reference": f"a{call}", "reason": ""})
    assert "Erasing needs a reason" in said
    await services.clock.advance(600)  # type: ignore[attr-defined]
    gone = await admin.post("/console/people/erase", {"reference": f"a{call}", "reason": "asked by letter"})
    assert gone.status_code == 200, text_of(gone.text)
    assert "is erased; 2 numbers stand on our own do-not-call list" in text_of(gone.text)
    assert (await admin.get(f"/console/people/a{call}")).status_code == 404
    assert await listed(services, NUMBER)


async def test_the_decision_of_a_dial_is_found_again(services: Services, call: int):
    attempt = await rows.row(services.db, "attempts")
    async with services.db.connection() as tx:
        kept = await decisions.of_dial(
            tx, attempt["campaign_contact_id"], attempt["phone"], attempt["intent_at"]
        )
        assert kept is not None
        assert kept.decision.allowed
        other = attempt["intent_at"] + timedelta(seconds=1)
        assert await decisions.of_dial(tx, attempt["campaign_contact_id"], attempt["phone"], other) is None


async def test_calls_that_were_found_are_taken_along_as_a_csv_without_formulas(
    services: Services, person_for: PersonFor, call: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(calls, "PER_READ", 1)
    now = services.clock.now()
    async with services.db.transaction() as tx:
        for n in range(2):
            await rows.attempt(
                tx, now - timedelta(hours=n), marker=f"earlier-{n}", state="ended", settled_at=now
            )
    await rows.run(
        services.db, "UPDATE contacts SET variables = CAST(:said AS jsonb)", said='{"first_name": "=1+1"}'
    )
    analyst = await person_for(Role.ANALYST)
    assert "/console/calls.csv?campaign=1" in (await analyst.get("/console/calls?campaign=1")).text
    answer = await analyst.get("/console/calls.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    told = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(told) == 3
    found = (await analyst.get("/console/calls.csv?disposition=interested")).text
    (only,) = csv.DictReader(io.StringIO(found))
    assert (only["id"], only["phone"], only["name"]) == (str(call), NUMBER, "'=1+1")
    kept = await rows.rows(services.db, "audit_log", "id")
    assert (kept[-1]["action"], kept[-1]["detail"]) == ("calls.download", {"disposition": "interested"})
    uploader = await person_for(Role.UPLOADER)
    assert (await uploader.get("/console/calls.csv")).status_code == 403
