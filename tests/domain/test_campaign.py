import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.domain.campaign import (
    Budget,
    CallerId,
    CampaignDefinition,
    Consent,
    ConsentDemand,
    Detection,
    ListRef,
    Pacing,
    Purpose,
    RetryPolicy,
    RetryRule,
    Schedule,
    Seller,
    Voicemail,
    VoicemailPolicy,
    from_json,
    json_schema,
    parse_toml,
    stored,
    template_faults,
    to_json,
    to_toml,
)
from campaign.domain.disposition import Disposition
from campaign.domain.errors import BadDefinition, Fault
from campaign.domain.script import Script
from campaign.domain.toml_lines import lines_of

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
MINIMAL = (SAMPLES / "minimal.toml").read_text()
FULL = (SAMPLES / "campaign.toml").read_text()


def faults_of(text: str) -> dict[str, Fault]:
    with pytest.raises(BadDefinition) as raised:
        parse_toml(text, "bad.toml")
    return {fault.path: fault for fault in raised.value.faults}


def line_of(text: str, start: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(start))


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("[!p]*.toml")), ids=lambda path: path.name)
def test_every_sample_is_valid_and_comes_back_from_both_forms(path: Path) -> None:
    definition = parse_toml(path.read_text(), path.name)
    assert parse_toml(to_toml(definition), "again") == definition
    assert from_json(json.loads(json.dumps(to_json(definition)))) == definition
    assert stored(to_json(definition)) == definition


def test_a_minimal_definition_gets_the_documented_defaults() -> None:
    definition = parse_toml(MINIMAL, "minimal.toml")
    assert definition.regions == ("US",)
    assert definition.ring_timeout_seconds == 30
    assert definition.longest_call_seconds == 600
    assert definition.conversation_seconds == 585
    assert definition.retry.budget == 3
    assert definition.voicemail == Voicemail(policy=VoicemailPolicy.HANG_UP, detection=Detection.ENABLE)


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = (
        FULL.replace("share = 1 ", "shares = 1 ")
        .replace("lines = 20", 'lines = "many"')
        .replace('purpose = "sales"', 'purpose = "sale"')
        .replace('"+12025550143"', '"202 555 0143"')
        .replace("after_minutes = [240]", "after_minutes = [0]")
        .replace("legal_name", "legal_nam")
    )
    found = faults_of(text)
    assert set(found) == {
        "pacing.shares",
        "pacing.lines",
        "purpose",
        "caller_ids[1].number",
        "retry.on.machine.after_minutes[0]",
        "seller.legal_nam",
        "seller.legal_name",
    }
    assert found["pacing.lines"].line == line_of(text, "lines =")
    assert found["caller_ids[1].number"].line == line_of(text, 'number = "202 555')
    assert found["retry.on.machine.after_minutes[0]"].line == line_of(text, "machine =")
    assert found["seller.legal_name"].line == line_of(text, "[seller]")
    assert "did you mean 'share'?" in found["pacing.shares"].why
    assert '"sales" or "informational"' in found["purpose"].why
    assert "from 1 to 100000" in found["pacing.lines"].why


def test_purpose_has_no_default() -> None:
    found = faults_of(MINIMAL.replace('purpose = "informational"\n', ""))
    assert found["purpose"].why.startswith("is missing: why people are called")


def test_text_that_is_not_toml_is_refused_with_line_and_column() -> None:
    (fault,) = faults_of('name = "x"\npurpose = sales\n').values()
    assert fault.line == 2
    assert "not valid TOML" in fault.why
    assert "column" in fault.why


@pytest.mark.parametrize(
    ("old", "new", "path", "says"),
    [
        ('"+18335550199"', '"+12025550199"', "seller.opt_out_number", "toll-free"),
        ('"detect_message_end"', '"enable"', "voicemail.detection", "detect_message_end"),
        ("restricted_dates =", "end = 2026-11-24T09:00:00\nrestricted_dates =", "schedule.end", "offset"),
        ('"sat" = "10:00-14:00"', '"sat" = "14:00-10:00"', "schedule.week.sat", "ends before it starts"),
        ('"mon-fri"', '"mon-tues"', "schedule.week.mon-tues", "not a day"),
        ("budget = 3 ", "budget = 1 ", "retry.on.machine.attempts", "more than retry.budget (1)"),
        ("busy = {", "interested = {", "retry.on.interested", "always final"),
        ("busy = {", "canceled = {", "retry.on.canceled", "by itself"),
        ("per_day = 50", "per_day = -1", "budget.per_day", "above 0"),
        ('lists = ["sample"]', 'lists = ["sample", "sample"]', "lists[1]", "named twice"),
        ('lists = ["sample"]', "lists = []", "lists", "at least 1 item"),
        ('"+12025550143"', '"+1202555"', "caller_ids[1].number", "ten digits"),
        ("ring_timeout_seconds = 30", "ring_timeout_seconds = 5", "ring_timeout_seconds", "from 15 to 600"),
        ("ring_timeout_seconds = 30", "ring_timeout = 30", "ring_timeout", "'ring_timeout_seconds'"),
        ('regions = ["US", "US-TX", "US-GA"]', 'regions = ["usa"]', "regions[0]", '"US-FL"'),
        ("{{ first_name | there }}, I'm", "{{ first_name, I'm", "script.greeting", "no variable"),
        ('kind = "choice"', 'kind = "yes_no"', "script.questions[1].choices", "only for kind"),
        ('name = "Solar spring check-in"', 'name = " x"', "name", "space"),
        ('name = "Solar spring check-in"', 'name = "#1"', "name", "begin with"),
        ('legal_name = "Harbor', 'legal_name = "\\u0000Harbor', "seller.legal_name", "cannot be stored"),
    ],
)
def test_each_fault_says_where_it_is_and_what_is_allowed(old: str, new: str, path: str, says: str) -> None:
    assert old in FULL
    found = faults_of(FULL.replace(old, new))
    assert path in found
    assert says in found[path].why
    assert found[path].line is not None


def test_a_budget_of_one_is_enough_to_say_that_nobody_is_called_twice() -> None:
    assert parse_toml(MINIMAL + "\n[retry]\nbudget = 1\n", "x.toml").retry.budget == 1


def test_a_campaign_may_not_end_before_it_starts() -> None:
    found = faults_of(
        MINIMAL + "\n[schedule]\nstart = 2026-11-25T09:00:00Z\nend = 2026-11-24T09:00:00-05:00\n"
    )
    assert found["schedule.end"].why == "must be later than schedule.start"


def test_short_forms_mean_the_same_as_long_ones() -> None:
    short = parse_toml(MINIMAL, "short")
    long = MINIMAL.replace('lists = ["sample"]\n', "").replace('caller_ids = ["+12025550142"]\n', "")
    long += '[[lists]]\nname = "sample"\npriority = 0\n[[caller_ids]]\nnumber = "+12025550142"\n'
    assert parse_toml(long, "long") == short


@pytest.mark.parametrize(
    ("policy", "detection"),
    [("hang_up", "enable"), ("leave_message", "detect_message_end"), ("talk", "off")],
)
def test_machine_detection_follows_the_voicemail_policy_unless_it_is_named(
    policy: str, detection: str
) -> None:
    obj = to_json(parse_toml(FULL, "full"))
    obj["voicemail"] = {"policy": policy}
    assert from_json(obj).voicemail.detection == detection


@pytest.mark.parametrize("obj", [None, [], "text", 3])
def test_json_that_is_no_object_is_refused(obj: object) -> None:
    with pytest.raises(BadDefinition):
        from_json(obj)


def test_script_variables_are_checked_against_each_list() -> None:
    definition = parse_toml(FULL, "full")
    assert template_faults(definition, {"a": ["First_Name", "city"]}) == []
    assert template_faults(definition, {"not imported yet": []}) == []
    (greeting, voicemail) = template_faults(definition, {"a": ["first_name"], "b": ["city"]}, lines_of(FULL))
    assert greeting.path == "script.greeting"
    assert greeting.line == line_of(FULL, "greeting")
    assert "'first_name'" in greeting.why
    assert greeting.why.endswith("list 'b'")
    assert voicemail.path == "script.voicemail"


def test_the_schema_names_every_key_and_resolves_within_the_components() -> None:
    own, parts = json_schema()
    text = json.dumps([own, parts])
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in parts
    assert set(parts["CampaignDefinition"]["properties"]) == set(CampaignDefinition.__struct_fields__)


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 5000, "x = " + "[" * 50_000 + "]" * 50_000, "x = " + "9" * 5000, "\x00", "= 1"]
)
def test_hostile_text_is_a_fault_and_never_a_crash(text: str) -> None:
    assert "" in faults_of(text)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "1e9", "true"])
def test_a_pace_that_is_no_pace_is_refused(value: str) -> None:
    found = faults_of(FULL.replace("lines = 20", f"calls_per_second = {value}"))
    assert "above 0 and at most 1000" in found["pacing.calls_per_second"].why


def test_lines_of_a_large_text_are_found_in_no_time() -> None:
    text = "".join(f"key{n} = [{n}, {n}]\n" for n in range(50_000))
    assert lines_of(text)["key49999", 1] == 50_000


@given(st.integers(0, len(FULL) - 1), st.integers(0, 40), st.text(max_size=5))
def test_a_damaged_file_is_read_or_its_faults_point_into_it(at: int, length: int, put: str) -> None:
    text = FULL[:at] + put + FULL[at + length :]
    faults: tuple[Fault, ...] = ()
    try:
        parse_toml(text, "damaged.toml")
    except BadDefinition as error:
        faults = error.faults
    for fault in faults:
        assert fault.why
        assert fault.line is None or 1 <= fault.line <= text.count("\n") + 1


texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
numbers = st.integers(200_555_0100, 200_555_0199).map(lambda n: f"+44{n}")
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
retriable = [Disposition.BUSY, Disposition.NO_ANSWER, Disposition.MACHINE, Disposition.VOICEMAIL_LEFT]
definitions = st.builds(
    CampaignDefinition,
    name=texts.filter(lambda name: name[0] not in "#-"),
    purpose=st.sampled_from(Purpose),
    seller=st.builds(Seller, legal_name=texts, callback_number=numbers, opt_out_number=st.none() | numbers),
    lists=st.lists(
        st.builds(ListRef, name=texts, priority=st.integers(0, 9)),
        min_size=1,
        max_size=3,
        unique_by=lambda ref: ref.name,
    ).map(tuple),
    caller_ids=st.lists(
        st.builds(CallerId, number=numbers, daily_cap=st.none() | st.integers(1, 99)),
        min_size=1,
        max_size=3,
        unique_by=lambda caller: caller.number,
    ).map(tuple),
    script=st.builds(Script, greeting=texts, goal=texts, language=st.sampled_from(["en-US", "en-GB"])),
    regions=st.sampled_from([("US",), ("US-FL", "CA"), ("IN",)]),
    dnc_lists=st.lists(texts, max_size=2, unique=True).map(tuple),
    schedule=st.builds(
        Schedule,
        start=st.none() | moments,
        end=st.none() | st.just(datetime(2028, 1, 1, tzinfo=UTC)),
        week=st.sampled_from([{"mon-sun": "08:00-20:00"}, {"mon": ("09:00-10:00", "11:00-12:00")}]),
        restricted_dates=st.lists(st.dates(date(2026, 1, 1), date(2027, 1, 1)), max_size=3).map(tuple),
    ),
    pacing=st.builds(
        Pacing,
        calls_per_second=st.none() | st.floats(0.01, 100),
        lines=st.integers(1, 500),
        share=st.integers(1, 9),
    ),
    retry=st.builds(
        RetryPolicy,
        budget=st.integers(5, 9),
        on=st.dictionaries(
            st.sampled_from(retriable),
            st.builds(
                RetryRule,
                after_minutes=st.lists(st.integers(1, 99), min_size=1, max_size=3).map(tuple),
                attempts=st.none() | st.integers(1, 5),
            ),
        ),
    ),
    voicemail=st.just(Voicemail()) | st.just(Voicemail(policy=VoicemailPolicy.TALK, detection=Detection.OFF)),
    budget=st.builds(
        Budget, per_day=st.none() | st.decimals("0.01", "9999", places=2), total=st.just(Decimal("70000"))
    ),
    consent=st.builds(ConsentDemand, minimum=st.sampled_from(Consent)),
)


@given(definitions)
def test_a_definition_survives_both_canonical_forms(definition: CampaignDefinition) -> None:
    assert parse_toml(to_toml(definition), "again") == definition
    assert from_json(json.loads(json.dumps(to_json(definition)))) == definition


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_a_value_of_any_kind_in_any_place_is_refused_or_kept_never_a_crash(data: st.DataObject) -> None:
    obj: dict[str, Any] = json.loads(json.dumps(to_json(parse_toml(FULL, "full"))))
    place: Any = obj
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(junk)
        break
    faults: tuple[Fault, ...] = ()
    try:
        definition = from_json(obj)
    except BadDefinition as error:
        faults = error.faults
    if faults:
        assert all(fault.why for fault in faults)
    else:
        assert from_json(to_json(definition)) == definition
