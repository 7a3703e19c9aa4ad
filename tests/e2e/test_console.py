"""The console as it comes up for the first time: the terminal shows a link, which lets the first admin in."""

from urllib.parse import urlsplit

import httpx

from tests.support.console import PASSWORD, text_of
from tests.support.house import House, open_folder


def test_whoever_started_the_service_becomes_the_first_admin_by_the_link_in_the_terminal(db_url: str):
    with open_folder() as folder:
        house = House(folder, db_url, rate=1.0, cps=1.0)
        with house.service(), httpx.Client(base_url=house.url, headers={"Origin": house.url}) as browser:
            link = house.first_link()
            assert link.startswith(house.url)
            form = {"name": "Ana", "email": "ana@example.com", "password": PASSWORD, "again": PASSWORD}
            answer = browser.post(urlsplit(link).path, data=form)
            assert answer.status_code == 303, text_of(answer.text)
            assert "Ana admin" in text_of(browser.get("/console").text)
            assert "Calls up now 0" in text_of(browser.get("/console/today").text)
