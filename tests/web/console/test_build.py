"""Building a campaign at the console: written as a form or as TOML, checked as it is written, launched."""

import asyncio
import html
import re

from fastapi import FastAPI

from campaign.domain.campaign import parse_toml
from campaign.domain.form import ROWS, fields_of
from campaign.store.accounts import Role
from campaign.wiring import Services
from tests.support.campaigns import SAMPLES, make_list
from tests.support.console import text_of
from tests.web.conftest import PersonFor

MINIMAL = (SAMPLES / "minimal.toml").read_text()
FULL = (SAMPLES / "campaign.toml").read_text()
NEW = "/console/campaigns/new"


def form_of(page: str) -> dict[str, object]:
    """The fields of the definition's form as a browser would send them, the buttons left out."""
    page = page[page.index('id="definition"') : page.index('class="beside')]
    found: dict[str, object] = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        name, value = re.search(r'\bname="([^"]*)"', tag), re.search(r'\bvalue="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
    for name_, text in re.findall(
        r'<textarea\b[^>]*\bname="([^"]*)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL
    ):
        found[name_] = html.unescape(text).replace("\n", "\r\n")
    for name_, options in re.findall(r'<select\b[^>]*\bname="([^"]*)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found[name_] = html.unescape(chosen[1]) if chosen else ""
    found.pop("csrf")
    return found


async def test_a_campaign_is_written_as_toml_checked_kept_previewed_and_launched(
    person_for: PersonFor, app: FastAPI, services: Services
):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=3)
    blank = await operator.get(NEW, params={"list": "sample", "view": "toml"})
    assert "This can be used." in text_of(blank.text)
    checked = await operator.post("/console/campaigns/check", {"text": MINIMAL.replace("purpose", "purpos")})
    words = text_of(checked.text)
    assert "line 3" in words
    assert "purpos" in words
    unknown = MINIMAL.replace("first_name | there", "shoe_size")
    words = text_of((await operator.post("/console/campaigns/check", {"text": unknown})).text)
    assert "shoe_size no such column" in words
    refused = await operator.post(NEW, {"text": unknown})
    assert refused.status_code == 422
    assert "shoe_size" in refused.text

    kept = await operator.post(NEW, {"text": MINIMAL})
    assert kept.status_code == 303, text_of(kept.text)
    preview = kept.headers["location"]
    home = preview.removesuffix("/preview")
    assert "The draft is kept." in text_of((await operator.get(preview)).text)
    taken = await operator.post(NEW, {"text": MINIMAL})
    assert taken.status_code == 409

    asked = await operator.post(preview)
    await asyncio.gather(*app.state.children)
    study = asked.headers["location"].rpartition("=")[2]
    told = text_of((await operator.get(f"{preview}/{study}")).text)
    assert "Called at once" in told
    assert "of 3 judged" in told or "of 0 judged" in told

    text = (await operator.get(f"{home}/definition.toml")).text
    again = text.replace("longest_call_seconds = 600", "longest_call_seconds = 300")
    assert "Version 2 is in force." in await operator.follow(f"{home}/edit", {"text": again})
    copied = await operator.get(NEW, params={"like": home.rpartition("/")[2]})
    assert "Minimal again" in copied.text

    assert "Minimal is running." in await operator.follow(f"{home}/start")
    running = await operator.post(f"{home}/edit", {"text": text})
    assert running.status_code == 409
    assert "Pause it first" in text_of(running.text)


async def test_the_form_and_the_toml_are_two_views_of_one_definition(
    person_for: PersonFor, services: Services
):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=1)
    text = FULL + '\n[script.languages.es-MX]\ngreeting = "Hola"\n'
    shown = await operator.post(NEW, {"text": text, "view": "toml", "do": "form"})
    fields = form_of(shown.text)
    assert fields["script.questions.1.choices"] == "tile\r\nshingle\r\nmetal"
    assert fields["schedule.week.sat"] == "10:00-14:00"
    back = await operator.post(NEW, {**fields, "do": "toml"})
    toml = str(form_of(back.text)["text"])
    assert parse_toml(toml, "back") == parse_toml(text, "before")
    file = await operator.post(NEW, {**fields, "do": "download"})
    assert "campaign.toml" in file.headers["content-disposition"]
    assert parse_toml(file.text, "file") == parse_toml(text, "before")
    broken = await operator.post(NEW, {"text": "name = ", "view": "toml", "do": "form"})
    assert "mend it first" in text_of(broken.text)
    assert form_of(broken.text)["text"] == "name = "


async def test_the_form_has_a_field_for_everything(person_for: PersonFor):
    operator = await person_for(Role.OPERATOR)
    page = (await operator.post(NEW, {"text": FULL, "view": "toml", "do": "form"})).text
    shown = set(re.findall(r'\bname="([^"]+)"', page))
    assert fields_of({}).keys() - shown == set()
    for name in ROWS:
        assert any(one.startswith(f"{name}.0.") for one in shown), name


async def test_a_fault_stands_at_its_field_and_a_campaign_is_kept_when_it_is_mended(
    person_for: PersonFor, services: Services
):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=1)
    fields = form_of((await operator.get(NEW, params={"list": "sample"})).text)
    wrong = {**fields, "name": "Winter", "pacing.lines": "ten", "do": "keep"}
    refused = await operator.post(NEW, wrong)
    assert refused.status_code == 422
    assert re.search(r'id="pacing.lines-error">.*?whole number from 1 to 100000', refused.text, re.DOTALL)
    wrong = {**form_of(refused.text), "pacing.lines": "7", "schedule.week.tue": "9-5", "do": "keep"}
    refused = await operator.post(NEW, wrong)
    assert refused.status_code == 422
    assert re.search(r'id="schedule.week.tue-error">.*?is not hours', refused.text, re.DOTALL)
    mended = {**form_of(refused.text), "schedule.week.tue": "", "script.greeting": "Hello {{ shoe_size }}"}
    unknown = await operator.post(NEW, {**mended, "do": "keep"})
    assert unknown.status_code == 422
    assert re.search(r'id="script.greeting-error">.*?shoe_size', unknown.text, re.DOTALL)
    mended |= {
        "script.greeting": "Hello",
        "script.questions.0.key": "well",
        "script.questions.0.ask": "Well?",
    }
    more = form_of((await operator.post(NEW, {**mended, "do": "add:script.questions"})).text)
    assert {"script.questions.0.ask", "script.questions.1.ask", "script.questions.2.ask"} <= more.keys()
    less = form_of((await operator.post(NEW, {**more, "do": "drop:script.questions.0"})).text)
    assert less["script.questions.0.ask"] == ""
    kept = await operator.post(NEW, {**mended, "do": "keep"})
    assert kept.status_code == 303, text_of(kept.text)
    edit = kept.headers["location"].replace("/preview", "/edit")
    shown = form_of((await operator.get(edit)).text)
    assert (shown["name"], shown["pacing.lines"], shown["schedule.week.tue"]) == ("Winter", "7", "")
    again = await operator.post(edit, {**shown, "pacing.lines": "8", "do": "keep"})
    assert again.status_code == 303


async def test_a_script_is_rehearsed_beside_it(person_for: PersonFor, services: Services):
    operator = await person_for(Role.OPERATOR)
    await make_list(services.db, contacts=3)
    text = MINIMAL + '[[script.questions]]\nkey = "well"\nask = "Are you well?"\nkind = "yes_no"\n'
    sent: dict[str, object] = {"text": text, "view": "toml", "moves": ""}

    async def does(act: str, said: str = "") -> str:
        answer = await operator.post("/console/campaigns/rehearse", {**sent, "act": act, "said": said})
        assert answer.status_code == 200
        kept = re.search(r'name="moves" value="([^"]*)"', answer.text)
        sent["moves"] = html.unescape(kept[1]) if kept else ""
        return text_of(answer.text)

    begun = await does("begin")
    assert "AI" in begun
    assert "Are you well?" in await does("say", "hello")
    assert "Are you well?" not in await does("back")
    assert "Keys are digits" in await does("key", "abc")
    assert "Are you well?" in await does("silence") + await does("say", "hello")
    over = await does("say", "stop calling me")
    assert "Outcome" in over
    assert "What you say" not in over
    sent["text"] = "name = "
    assert "mend it first" in await does("begin")
    sent |= {"text": text, "moves": "hello\n" * 80}
    assert "ends after 60 lines" in await does("say", "hello")
    part = await operator.client.post(
        "/console/campaigns/rehearse",
        data={"csrf": operator.csrf, "rehearsed": text, "act": "begin"},
        headers={"HX-Request": "true"},
    )
    assert "<main" not in part.text
    whole = await operator.post("/console/campaigns/rehearse", {"rehearsed": text, "act": "begin"})
    assert "<main" in whole.text


async def test_a_form_that_is_far_too_long_is_refused(person_for: PersonFor):
    operator = await person_for(Role.OPERATOR)
    many = {f"script.questions.{n}.ask": "Well?" for n in range(1100)}
    refused = await operator.post(NEW, {"view": "form", **many})
    assert 400 <= refused.status_code < 500
    long = await operator.post(NEW, {"view": "toml", "text": "a" * 600_000})
    assert long.status_code == 400
    assert "too long" in text_of(long.text)
