"""The notebook of the docs works as it stands: its cells are run in their order, without Jupyter."""

import json
import os
import subprocess
import sys
from pathlib import Path

from campaign.domain.disposition import Disposition as D
from campaign.flow import rollups
from campaign.store.database import Database
from tests.support.clock import TUESDAY_MORNING
from tests.support.house import with_db
from tests.support.settled import Desk

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def test_a_notebook_holds_no_output_and_no_address() -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in cells), path.name


async def some_attempts(db: Database) -> None:
    desk = await Desk(db, TUESDAY_MORNING).open()
    await desk.attempt(D.INTERESTED, cost="0.25")
    await desk.attempt(D.NO_ANSWER, contact=1)
    await desk.attempt(D.NOT_INTERESTED, campaign=1, contact=2, after=24)
    await rollups.catch_up(db, TUESDAY_MORNING)


def test_the_cells_run_in_their_order_and_draw(db_url: str, tmp_path: Path) -> None:
    with_db(db_url, some_attempts)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = [one for one in json.loads(path.read_text())["cells"] if one["cell_type"] == "code"]
        program = tmp_path / "notebook.py"
        drawn = tmp_path / "drawn.png"
        saved = f"\nplt.gcf().savefig({str(drawn)!r})\nprint(len(plt.get_fignums()), 'figures')\n"
        program.write_text("\n".join("".join(cell["source"]) for cell in cells) + saved)
        done = subprocess.run(
            [sys.executable, str(program)],
            env={**os.environ, "DATABASE_URL": db_url, "MPLBACKEND": "Agg", "MPLCONFIGDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert "3 figures" in done.stdout
        assert "campaign 0: 2 calls, 50% connected, 1 won, 0.25 USD" in done.stdout
        assert drawn.stat().st_size > 1000
