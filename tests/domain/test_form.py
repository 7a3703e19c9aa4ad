"""A definition as a form: nothing is lost on the way there and back, and each fault stands at its field."""

import tomllib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain import toml_text
from campaign.domain.calling_window import DAYS
from campaign.domain.campaign import CampaignDefinition, parse_toml, to_toml
from campaign.domain.errors import BadDefinition
from campaign.domain.form import REST, field_at, fields_of, rows, table_of, without_row
from campaign.domain.form_kinds import same
from campaign.domain.script import Inbound, Limits, Menu, Objection, Question, Script
from campaign.domain.toml_lines import dotted, undotted
from campaign.domain.transfers import TransferTarget
from tests.domain.test_campaign import FULL, MINIMAL, definitions, texts

REPOSITORY = Path(__file__).parents[2]
FILES = sorted(
    file
    for folder in ("docs", "tests", "benchmarks", "campaign")
    for file in (REPOSITORY / folder).rglob("*.toml")
    if "greeting" in (text := file.read_text("utf-8")) and "caller_ids" in text
)


def there_and_back(text: str) -> str:
    """Through the form, and what its fields say as TOML."""
    filled = table_of(fields_of(tomllib.loads(text)))
    assert filled.faults == ()
    return toml_text.dumps(filled.table)


def faults_at(fields: dict[str, str]) -> dict[str, str]:
    """field → what is wrong with it, as the console shows it."""
    filled = table_of(fields)
    found = {}
    try:
        parse_toml(toml_text.dumps(filled.table), "the form")
    except BadDefinition as error:
        found = {field_at(undotted(fault.path), filled.fields): fault.why for fault in error.faults}
    return found | {field_at(path, filled.fields): why for path, why in filled.faults}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_definition_of_the_repository_is_the_same_after_the_form(file: Path):
    text = file.read_text("utf-8")
    assert parse_toml(there_and_back(text), "again") == parse_toml(text, "once")


keys = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
said = st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=30).filter(
    str.strip
)
scripts = st.builds(
    Script,
    greeting=said,
    goal=said,
    agent_name=said,
    facts=st.lists(said, max_size=3).map(tuple),
    questions=st.lists(
        st.builds(Question, key=keys, ask=said, required=st.booleans())
        | st.builds(
            Question,
            key=keys,
            ask=said,
            kind=st.just("choice"),
            choices=st.lists(said, min_size=2, max_size=3).map(tuple),
        ),
        max_size=3,
        unique_by=lambda one: one.key,
    ).map(tuple),
    objections=st.lists(
        st.builds(
            Objection,
            when=st.lists(said.filter(lambda one: len(one) > 1), min_size=1, max_size=2).map(tuple),
            say=st.just("") | said,
        ),
        max_size=2,
    ).map(tuple),
    dont=st.lists(said, max_size=2).map(tuple),
    transfers=st.dictionaries(
        keys,
        st.builds(
            TransferTarget,
            name=said,
            to=st.just("+12025550142"),
            mode=st.sampled_from(["cold", "warm"]),
            week=st.sampled_from(
                [{}, {"mon-fri": "09:00-17:00", "sat": "10:00-12:00"}, {"sun": ("09:00-10:00",)}]
            ),
            zone=st.just("America/New_York"),
        ),
        max_size=2,
    ),
    menus=st.dictionaries(keys, st.builds(Menu, digits=st.just("1w2"), when=said), max_size=2),
    inbound=st.builds(Inbound, days=st.integers(1, 365), greeting=st.just("") | said),
    limits=st.builds(Limits, silence_seconds=st.floats(3, 60), turns=st.integers(2, 500)),
    record=st.booleans(),
    voice=st.none() | st.just("") | said,
    ignore_backchannel=st.none() | st.booleans(),
    eot_threshold=st.none() | st.floats(0.5, 0.9),
    hints=st.lists(said, max_size=3).map(tuple),
    language_values=st.dictionaries(said, st.just("es-MX"), max_size=2),
)


@settings(max_examples=30)
@given(definitions, scripts)
def test_any_definition_is_the_same_after_the_form(definition: CampaignDefinition, script: Script):
    for one in (definition, CampaignDefinition(**{**_parts(definition), "script": script})):
        text = to_toml(one)
        try:
            once = parse_toml(text, "once")
        except BadDefinition:
            continue  # texts in the script that can't be used: of no interest here
        assert parse_toml(there_and_back(text), "again") == once == one


def _parts(definition: CampaignDefinition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in definition.__struct_fields__}


spans = st.lists(st.integers(0, 48), min_size=2, max_size=6, unique=True).map(
    lambda halves: [
        f"{a // 2:02}:{a % 2 * 30:02}-{b // 2:02}:{b % 2 * 30:02}"
        for a, b in zip(sorted(halves)[::2], sorted(halves)[1::2], strict=False)
    ]
)
hours = st.just("closed") | st.just([]) | spans | spans.map(", ".join) | spans.map(" ,".join)
groups = st.permutations(DAYS).flatmap(
    lambda days: st.lists(hours, min_size=1, max_size=4).map(
        lambda found: {",".join(days[n :: len(found)]): one for n, one in enumerate(found)}
    )
)


@settings(max_examples=30)
@given(
    groups | st.sampled_from([{"sat-mon": "9:00-24:00"}, {"Monday": "09:00-17:00", "tue-thu, sun": "closed"}])
)
def test_every_week_that_the_toml_can_say_is_the_same_after_the_form(week: dict[str, Any]):
    table = tomllib.loads(MINIMAL) | {"schedule": {"week": week}}
    fields = fields_of(table)
    assert fields[REST] == ""
    assert same(table_of(fields).table["schedule"]["week"], week)


def test_days_with_the_same_hours_are_written_together_once_an_hour_was_changed():
    fields = fields_of(tomllib.loads(FULL))
    assert fields["schedule.week.wed"] == "09:00-12:00, 13:00-19:00"
    assert fields["schedule.week.sun"] == ""
    changed = table_of(fields | {"schedule.week.wed": "", "schedule.week.sun": "10:00-14:00"})
    assert changed.table["schedule"]["week"] == {
        "mon-tue": "09:00-12:00, 13:00-19:00",
        "thu-fri": "09:00-12:00, 13:00-19:00",
        "sat-sun": "10:00-14:00",
    }


junk = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.text(max_size=5) | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=30)
@given(st.data())
def test_whatever_stands_in_a_table_is_in_the_form_or_in_everything_else(data: st.DataObject):
    table = tomllib.loads(FULL)
    place: Any = table
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        put = data.draw(junk)
        if isinstance(place, dict) and data.draw(st.booleans()):
            place["a key of no form"] = put
        else:
            place[key] = put
        break
    text = toml_text.dumps(table)
    once = _told(text)
    again = _told(toml_text.dumps(table_of(fields_of(tomllib.loads(text))).table))
    assert once == again or (isinstance(once, str) and once.startswith("faults"))


def _told(text: str) -> object:
    try:
        return parse_toml(text, "it")
    except BadDefinition:
        return "faults"


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("name", "", "is missing"),
        ("name", "#7", "begin with"),
        ("purpose", "", "is missing: why people are called"),
        ("purpose", "fun", '"sales"'),
        ("regions", "US, usa", "US-FL"),
        ("lists.0.name", "", "is missing"),
        ("caller_ids.1.number", "+1202555", "ten digits"),
        ("caller_ids.0.daily_cap", "many", "whole number"),
        ("seller.legal_name", "", "is missing"),
        ("seller.opt_out_number", "+12025550199", "toll-free"),
        ("schedule.start", "soon", "offset"),
        ("schedule.week.wed", "9-5", "is not hours"),
        ("schedule.week.sat", "14:00-10:00", "ends before it starts"),
        ("schedule.restricted_dates", "2026-11-26, 2026-13-01", "a date"),
        ("pacing.lines", "ten", 'a whole number from 1 to 100000, not "ten"'),
        ("pacing.lines", "1.5", "whole number"),
        ("retry.on.busy.after_minutes", "15, later", "whole number"),
        ("retry.on.machine.attempts", "9", "more than retry.budget"),
        ("voicemail.detection", "off", "detect_message_end"),
        ("budget.per_day", "-1", "above 0"),
        ("script.greeting", "", "is missing"),
        ("script.greeting", "Hi {{ you", "no variable"),
        ("script.facts", "{{ oh", "no variable"),
        ("script.questions.1.choices", "tile", "at least two"),
        ("script.questions.2.key", "roof", "earlier question"),
        ("script.objections.0.when", "", "missing"),
        ("script.transfers.0.to", "nowhere", "number"),
        ("script.limits.turns", "1", "from 2 to 500"),
        ("script.language", "english!", "language"),
    ],
)
def test_each_fault_stands_at_its_field(field: str, text: str, says: str):
    found = faults_at(fields_of(tomllib.loads(FULL)) | {field: text})
    assert says in found[field], found


def test_an_empty_form_says_at_its_fields_what_is_missing():
    found = faults_at({})
    assert REST not in found
    wanted = {
        "name",
        "purpose",
        "lists.0.name",
        "caller_ids.0.number",
        "seller.legal_name",
        "script.greeting",
    }
    assert wanted <= found.keys()
    assert "script.goal" in found


def test_what_has_no_field_is_kept_as_toml_and_may_be_edited_there():
    fields = fields_of(tomllib.loads(FULL + '\n[script.languages.es-MX]\ngreeting = "Hola"\n'))
    assert fields[REST] == '[script.languages.es-MX]\ngreeting = "Hola"\n'
    table = table_of(fields | {REST: fields[REST].replace("Hola", "Buenas")}).table
    assert table["script"]["languages"]["es-MX"] == {"greeting": "Buenas"}
    assert "not valid TOML" in faults_at(fields | {REST: "[script"})[REST]
    assert "Everything else" in faults_at(fields | {REST: "[pacing]\nlines = 3\n"})["pacing.lines"]
    assert "Everything else" in faults_at(fields | {REST: "pacing = 3\n"})["pacing.lines"]
    assert "is not known here" in faults_at(fields | {REST: "pace = 3\n"})[REST]


def test_rows_close_their_gaps_and_faults_follow_them():
    fields = fields_of(tomllib.loads(FULL))
    assert rows(fields, "script.questions") == range(4)
    fewer = without_row(fields, "script.questions", 0) | {
        "script.questions.7.ask": "And?",
        "script.questions.9.kind": "text",
    }
    filled = table_of(fewer)
    assert [one.get("key") for one in filled.table["script"]["questions"]] == ["roof", "best_time", None]
    assert filled.fields["script.questions.2.ask"] == "And?"
    assert "is missing" in faults_at(fewer)["script.questions.2.key"]
    assert filled.moved["script.questions.0.key"] == "script.questions.1.key"
    assert filled.moved["script.questions.2.ask"] == "script.questions.7.ask"
    assert "script.objections.0.say" not in filled.moved
    assert rows(filled.fields, "script.questions", spare=2) == range(5)
    twice = fields | {"script.transfers.4.key": "sales", "script.transfers.4.name": "others"}
    assert "earlier row" in faults_at(twice)["script.transfers.0.key"]


def test_an_instant_is_told_by_its_zone_or_its_offset():
    fields = fields_of(tomllib.loads(MINIMAL))

    def start(local: str, zone: str) -> object:
        return (
            table_of(fields | {"schedule.start": local, "schedule.start.zone": zone})
            .table["schedule"]
            .get("start")
        )

    eastern = datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=-5)))
    assert start("2026-12-01T09:00", "America/New_York") == start("2026-12-01T09:00", "-05:00") == eastern
    assert start("2026-07-01T09:00:30", "UTC") == datetime(2026, 7, 1, 9, 0, 30, tzinfo=UTC)
    assert start("", "America/New_York") is None
    found = faults_at(fields | {"schedule.start": "2026-12-01T09:00", "schedule.start.zone": "Mars/Base"})
    assert "is no time zone" in found["schedule.start"]
    assert "offset" in faults_at(fields | {"schedule.start": "2026-12-01T09:00"})["schedule.start"]
    kept = fields_of({"schedule": {"start": eastern}})
    assert (kept["schedule.start"], kept["schedule.start.zone"]) == ("2026-12-01T09:00", "-05:00")


names = st.sampled_from(sorted(fields_of(tomllib.loads(FULL))))


@settings(max_examples=40)
@given(st.dictionaries(names, st.text(max_size=12), max_size=9))
def test_whatever_is_sent_is_read_and_its_faults_stand_at_fields_that_are_shown(sent: dict[str, str]):
    filled = table_of(fields_of(tomllib.loads(MINIMAL)) | sent)
    shown = {*fields_of({}), *fields_of(tomllib.loads(FULL)), *filled.fields}
    shown |= {f"{name}.0.{column}" for name, column in (("lists", "name"), ("caller_ids", "number"))}
    assert faults_at(filled.fields).keys() <= shown
    assert table_of(filled.fields).table == filled.table


step = st.integers(0, 99) | st.from_regex(r"[A-Za-z0-9_\- .]{1,8}", fullmatch=True)


@settings(max_examples=40)
@given(st.lists(step, min_size=1, max_size=5))
def test_a_dotted_path_is_read_back(path: list[str | int]):
    assert undotted(dotted(tuple(path))) == tuple(path)


def test_a_list_that_is_too_long_for_a_form_stays_as_toml_and_the_longest_form_fits_a_request():
    table = tomllib.loads(FULL)
    script = table["script"]
    script["questions"] = [{"key": f"q{n}", "ask": "Well?"} for n in range(51)]
    long = fields_of(table)
    assert "script.questions.0.key" not in long
    assert long[REST].count("[[script.questions]]") == 51
    assert same(table_of(long).table["script"]["questions"], script["questions"])
    script["questions"].pop()
    script["objections"] = [{"when": ["no"], "say": "Oh."}] * 50
    script["transfers"] = {f"t{n}": {"name": "us", "to": "+12025550142"} for n in range(20)}
    script["menus"] = {f"m{n}": {"digits": "1", "when": "asked"} for n in range(20)}
    table["lists"] = [f"list {n}" for n in range(50)]
    table["caller_ids"] = [f"+120255501{n:02}" for n in range(50)]
    full = fields_of(table)
    assert full[REST] == ""
    assert 900 < len(full) < 990
