"""`campaign demo` as a newcomer meets it: on any machine, whatever stands in the environment."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import open_folder

pytestmark = pytest.mark.timeout(900)

NONSENSE = {
    "DATABASE_URL": "postgresql://nobody:secret@127.0.0.1:1/nothing",
    "TWILIO_ACCOUNT_SID": "AC" + "f" * 32,
    "TWILIO_AUTH_TOKEN": "no token",
    "TWILIO_API_BASE_URL": "https://api.twilio.invalid",
    "TWILIO_CALLS_PER_SECOND": "0.001",
    "PUBLIC_URL": "https://nowhere.invalid",
    "LLM_BASE_URL": "https://model.invalid",
    "LLM_API_KEY": "no key",
    "LLM_MODEL": "none",
    "LOG_LEVEL": "nonsense",
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder() as place:
        yield place


@pytest.fixture(scope="module")
def told(folder: Path) -> str:
    """What the first demo printed."""
    return demo(folder)


def demo(folder: Path) -> str:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    # Settings of a real account lie about in the working directory too.
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in NONSENSE.items()))
    done = subprocess.run(
        [sys.executable, "-m", "campaign", "demo", "--folder", str(folder / "demo")],
        cwd=home,
        env={**os.environ, **NONSENSE, "HOME": str(home), "COLUMNS": "120", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def processes_of(folder: Path) -> list[str]:
    """Processes that name the folder in their command line, environment or working directory."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in text:
            found.append(f"{process.name}: {text[:200]!r}")
    return found


def test_the_demo_tells_outcomes_and_who_was_not_called_and_why(told: str) -> None:
    for words in ("interested", "no answer", "busy", "do-not-call", "consent"):
        assert words in told.lower(), words


def test_the_demo_shows_a_conversation_and_the_cut_call_that_went_on(told: str) -> None:
    assert "One conversation" in told
    assert "cut in mid-sentence" in told
    assert "resume" in told.partition("cut in mid-sentence")[2]


def test_the_demo_says_where_to_look_next(told: str) -> None:
    end = told[-1500:]
    assert "Where to look next" in end
    assert "campaign report" in end
    assert "campaign doctor" in end


def test_the_demo_leaves_nothing_running_and_used_no_setting_of_ours(told: str, folder: Path) -> None:
    until = time.monotonic() + 10
    while processes_of(folder / "demo") and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_of(folder / "demo") == []
    for value in (".invalid", "127.0.0.1:1", "no token"):
        assert value not in told


def test_the_demo_can_be_run_again_in_the_same_folder(told: str, folder: Path) -> None:
    assert "Where to look next" in demo(folder)
