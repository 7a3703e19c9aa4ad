"""Throw-away files in memory: databases made by the hundred cost a slow disk most of a test's time.

`tests/store` took 50 s instead of 65 to 98 on a shared machine with a plain disk.
"""

import os
import shutil
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 8_000_000_000
"""Containers often have 64 MB there, and small machines need their memory themselves."""


def keep_files_in_memory() -> None:
    """From now on this process and those that it starts make their temporary files in memory, where there is
    plenty and nobody has chosen a folder (`TMPDIR`)."""
    if "TMPDIR" in os.environ or not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return
    if shutil.disk_usage(SHARED_MEMORY).free >= ENOUGH_BYTES:
        os.environ["TMPDIR"] = str(SHARED_MEMORY)
