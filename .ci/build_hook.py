"""A wheel carries the console's third-party files: who installs it needs neither npm nor a build."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontEnd(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install reads the checkout, where set-up brings the files in by itself.
        if version != "editable":
            subprocess.run([sys.executable, str(Path(self.root, ".ci", "front_end.py"))], check=True)
