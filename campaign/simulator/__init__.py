"""Twilio on your own machine. Shares no code with the service it tests."""

from campaign.simulator.config import (
    ACCOUNT_SID,
    API_KEY,
    API_SECRET,
    AUTH_TOKEN,
    Faults,
    SimulatorConfig,
    Timings,
)
from campaign.simulator.server import Simulator

__all__ = [
    "ACCOUNT_SID",
    "API_KEY",
    "API_SECRET",
    "AUTH_TOKEN",
    "Faults",
    "Simulator",
    "SimulatorConfig",
    "Timings",
]
