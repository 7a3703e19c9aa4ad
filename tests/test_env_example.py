"""The example of settings names every setting there is, and none that isn't."""

import re
from pathlib import Path

from campaign.settings import Settings, read_settings

EXAMPLE = Path(__file__).parent.parent / ".env.example"


def names() -> list[str]:
    return re.findall(r"^([A-Z][A-Z0-9_]*)=", EXAMPLE.read_text(), re.MULTILINE)


def test_every_setting_stands_in_the_example_once():
    assert sorted(names()) == sorted(str(field.alias) for field in Settings.model_fields.values())


def test_every_setting_is_explained_right_above_it():
    lines = EXAMPLE.read_text().splitlines()
    for place, line in enumerate(lines):
        if re.match(r"[A-Z]", line) and not re.match(r"[A-Z]", lines[place - 1]):
            assert re.match(r"# [A-Za-z]", lines[place - 1]), line


def test_the_example_as_it_stands_can_be_read_and_sets_only_defaults():
    assert read_settings({}, EXAMPLE) == Settings.model_validate({})
