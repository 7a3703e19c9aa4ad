"""Outbound calls: list → contact → decision → attempt → call → conversation → outcome → report."""

import zoneinfo

# One time-zone database for every machine: PyPI's tzdata, pinned, never the operating system's copy,
# which is an hour wrong for parts of Canada on Debian 12 (COMPLIANCE: Nov 2026 changes; DECISIONS 23).
zoneinfo.reset_tzpath(())
