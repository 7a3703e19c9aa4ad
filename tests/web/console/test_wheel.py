"""The wheel carries all that pages are made of: who installs it needs no npm and builds nothing."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SHOWS_A_PAGE = """
import sys
sys.path.insert(0, sys.argv[1])
from campaign.web import static_files
from campaign.web.console import frame
assert frame.__file__.startswith(sys.argv[1]), frame.__file__
assert static_files.missing() == []
for name in frame._pages.list_templates():
    frame._pages.get_template(name)
"""


def test_a_wheel_has_templates_style_scripts_and_other_peoples_files(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "installed")
    assert {"campaign/web/vendor/htmx.min.js", "campaign/web/vendor/LICENSE-htmx.txt"} <= names
    assert not [name for name in names if "node_modules" in name or name.endswith("axe.min.js")]
    shows = [sys.executable, "-c", SHOWS_A_PAGE, str(tmp_path / "installed")]
    subprocess.run(shows, cwd=tmp_path, check=True)


def test_no_third_party_file_stands_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files", "campaign/web", "package-lock.json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert not [name for name in listed if "vendor" in name or ".min." in name]
    assert "http" not in (ROOT / "package-lock.json").read_text()
