"""Writes docs/data-dictionary.md from the comments of the views in a freshly migrated database."""

import asyncio
import tempfile
from pathlib import Path

from campaign.store import analytics, migrate
from campaign.store.database import Database
from campaign.store.embedded import attach

PAGE = Path(__file__).parents[1] / "data-dictionary.md"


async def page(url: str) -> str:
    """The page as it should be, from a database of the newest schema."""
    db = Database(url)
    try:
        async with db.connection() as tx:
            return analytics.dictionary(await analytics.views(tx))
    finally:
        await db.close()


def main() -> None:
    # Not under this user's home: the embedded server's own user must be able to enter it.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        attachment = attach(Path(place) / "data", durable=False)
        try:
            migrate.upgrade(attachment.url)
            PAGE.write_text(asyncio.run(page(attachment.url)), encoding="utf-8")
        finally:
            attachment.close(stop=True)
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
