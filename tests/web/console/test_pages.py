"""Every page of the console comes, to whom it is open."""

from campaign.store.accounts import Role
from campaign.web.auth import CONSOLE, GUARDS
from tests.support.console import text_of
from tests.web.conftest import PersonFor

PAGES = sorted(
    path for method, path in GUARDS if method == "GET" and path.startswith(CONSOLE) and "{" not in path
)
PARTS = {f"{CONSOLE}/home/figures", f"{CONSOLE}/lists/table", f"{CONSOLE}/dnc/lists"}
"""Parts of pages, which htmx fetches."""


async def test_every_page_comes_to_an_admin(person_for: PersonFor):
    admin = await person_for(Role.ADMIN)
    for path in PAGES:
        answer = await admin.get(path)
        assert answer.status_code == 200, f"{path}: {text_of(answer.text)}"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
