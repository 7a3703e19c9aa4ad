"""What the pages of reports tell, and that it is what the files and the API tell."""

import io
from datetime import date, timedelta

import pytest

from campaign.domain.disposition import Disposition as D
from campaign.domain.measures import Step
from campaign.flow import rollups
from campaign.store.accounts import Role
from campaign.web.auth import REPORTS
from campaign.web.console import report_charts, report_view
from campaign.web.console.report_pages import COMPARE, TITLES
from campaign.wiring import Services
from tests.support.console import Person, text_of
from tests.support.settled import Desk
from tests.web.conftest import PersonFor

PAGES = [f"/console/reports{'' if name == COMPARE else '/' + name}" for name in TITLES]


async def filled(services: Services) -> Desk:
    """Two campaigns over two lists, with calls on two days, folded."""
    desk = await Desk(services.db, services.clock.now()).open()
    resumed = await desk.attempt(D.INTERESTED, first_word_ms=400, cost="0.25", seconds=60)
    await desk.attempt(D.NO_ANSWER, contact=1, cost="0.05")
    await desk.attempt(D.DO_NOT_CALL, contact=2, after=24, first_word_ms=2400)
    await desk.attempt(D.BUSY, campaign=1, contact=3)
    await desk.recovery(resumed, "resume", "the conversation went on")
    await rollups.catch_up(services.db, services.clock.now())
    return desk


@pytest.fixture
async def analyst(person_for: PersonFor) -> Person:
    return await person_for(Role.ANALYST)


def test_every_report_of_the_api_has_a_page():
    assert set(TITLES) == set(REPORTS) == set(report_view._PANELS) | {COMPARE}


async def test_without_calls_every_report_says_so_kindly(analyst: Person):
    for path in PAGES:
        answer = await analyst.get(path)
        assert answer.status_code == 200, path
        assert "Nothing to report yet." in text_of(answer.text), path


TOLD = {
    "summary": "Campaign Rate Of calls campaign 0 66.7 % 3 campaign 1 0.0 % 1",
    "funnel": "called 4 100.0 % picked up, by anyone or anything 2 50.0 % a person reached 2 50.0 %",
    "outcomes": "From Success Neutral Failure Asked not to be called 2026-11-24 1 2 0 0 2026-11-25 0 0 0 1",
    "hours": "Answer rate 50.0 % of 4 calls",
    "tries": "1st call 4 2 (50.0 %) 50.0 %",
    "latency": "Served in 2 s 50.0 % of people who answered",
    "opt-outs": "Opt-out rate 50.0 % of 2 people reached",
    "recoveries": "Went on 100.0 % of 1 that were to be resumed",
    "costs": "Per success $0.30",
}


async def test_each_page_tells_its_figures_in_words_and_what_is_not_counted_yet(
    analyst: Person, services: Services
):
    desk = await filled(services)
    for name, path in zip(TITLES, PAGES, strict=True):
        told = text_of((await analyst.get(path)).text)
        assert TOLD[name] in told, name
        assert "All that has ended is counted." in told
    await desk.attempt(D.BUSY, contact=5)
    assert "is not counted yet." in text_of((await analyst.get("/console/reports")).text)


async def test_each_report_is_divided_by_every_dimension_and_links_the_same_as_files(
    analyst: Person, services: Services
):
    desk = await filled(services)
    both = f"?campaign_id={desk.campaigns[0]}&campaign_id={desk.campaigns[1]}&since=2026-11-01"
    for by in ("", "campaign", "list", "version", "caller_id", "zone"):
        for name, path in zip(TITLES, PAGES, strict=True):
            page = (await analyst.get(f"{path}{both}&by={by}")).text
            link = f"/api/v1/reports/{name}.csv{both}{'&by=' + by if by else ''}"
            assert f'href="{link}"'.replace("&", "&amp;") in page, (name, by)
            if by in ("", "version"):
                assert len((await analyst.get(link)).text.splitlines()) > 1, (name, by)


async def test_a_list_narrows_a_report_and_is_divided_by_campaign_but_not_by_zone(
    analyst: Person, services: Services
):
    await filled(services)
    page = text_of((await analyst.get("/console/reports?list_id=2&by=campaign")).text)
    assert "Campaign Rate Of calls campaign 0 0.0 % 1 campaign 1 0.0 % 1" in page, "contacts 1 and 3"
    funnel = text_of((await analyst.get("/console/reports/funnel?list_id=1")).text)
    assert "in the campaign 2 – called 2 100.0 %" in funnel
    refused = await analyst.get("/console/reports/tries?list_id=1&by=zone")
    assert refused.status_code == 400
    assert "not counted by zone too. Divide it by campaign or list, or take all lists." in text_of(
        refused.text
    )
    assert (await analyst.get("/api/v1/reports/tries?list_id=1&by=zone")).status_code == 400


async def test_what_an_address_cannot_mean_is_told_or_passed_over(analyst: Person, services: Services):
    await filled(services)
    turned = await analyst.get("/console/reports/outcomes?since=2026-12-01&until=2026-11-01")
    assert turned.status_code == 400
    assert "Give the earlier day as since." in text_of(turned.text)
    odd = await analyst.get("/console/reports/outcomes?since=soon&by=moon&step=age&list_id=x")
    assert odd.status_code == 200
    assert (await analyst.get("/console/reports/moons")).status_code == 404
    nothing = text_of((await analyst.get("/console/reports/costs?until=2026-01-01")).text)
    assert "Nothing is counted that fits. Take a filter away." in nothing


async def test_hours_and_days_of_all_campaigns_are_shown_for_the_newest_alone(
    analyst: Person, services: Services
):
    desk = await Desk(services.db, services.clock.now()).open(campaigns=report_view.MOST_PANELS + 1)
    for n in range(len(desk.campaigns)):
        await desk.attempt(D.BUSY, campaign=n)
    await rollups.catch_up(services.db, services.clock.now())
    page = text_of((await analyst.get("/console/reports/outcomes?by=campaign")).text)
    assert "The newest campaigns alone are shown." in page
    assert "campaign 6 Attempts by day" in page
    assert "campaign 0 Attempts by day" not in page


async def test_a_parquet_file_has_the_rows_of_the_csv_with_types(analyst: Person, services: Services):
    from pyarrow import parquet, types  # of the tests only: .ci/setup tests installs it

    await filled(services)
    for name in REPORTS:
        file = await analyst.get(f"/api/v1/reports/{name}.parquet?by=campaign")
        assert file.headers["content-disposition"] == f'attachment; filename="{name}.parquet"'
        found = parquet.read_table(io.BytesIO(file.content))
        csv = (await analyst.get(f"/api/v1/reports/{name}.csv?by=campaign")).text.splitlines()
        assert (found.num_rows, ",".join(found.column_names)) == (len(csv) - 1, csv[0]), name
    rates = parquet.read_table(
        io.BytesIO((await analyst.get("/api/v1/reports/summary.parquet")).content)
    ).schema
    assert types.is_float64(rates.field("answer_rate").type)
    assert types.is_date32(rates.field("first_day").type)


@pytest.mark.parametrize(
    ("days", "wanted", "step"),
    [
        (1, None, Step.DAY),
        (92, None, Step.DAY),
        (93, None, Step.WEEK),
        (800, None, Step.MONTH),
        (800, Step.DAY, Step.WEEK),
        (3650, Step.DAY, Step.MONTH),
        (20, Step.MONTH, Step.MONTH),
    ],
)
def test_a_chart_over_time_never_has_more_columns_than_can_be_seen(
    days: int, wanted: Step | None, step: Step
):
    first = date(2024, 1, 31)
    last = first + timedelta(days=days - 1)
    assert report_charts.step_for(first, last, wanted) is step
    places = report_charts.steps(first, last, step)
    assert len(places) == len(set(places)) <= report_charts.MOST_COLUMNS
    assert places[0] <= first
    assert places[-1] == report_charts.first_of(last, step)


def test_columns_reach_the_height_of_their_numbers_and_days_without_calls_stand_empty():
    places = [date(2026, 11, day) for day in (1, 2, 3)]
    made = report_charts.columns("x", [("a", "success"), ("b", "failure")], {places[0]: [3, 1]}, places)
    assert made.highest == 4
    assert [(piece.y, piece.height) for piece in made.columns[0].pieces] == [(55.0, 165.0), (0.0, 55.0)]
    assert made.columns[1].pieces == []
    assert made.said.startswith("3 columns, 2026-11-01 to 2026-11-03; together a 3, b 1.")
    assert [report_charts.nice(n) for n in (0, 3, 10, 11, 61, 999)] == [2, 4, 10, 20, 80, 1000]
