"""What every part of the simulator shares."""

from dataclasses import dataclass, field
from random import Random

from campaign.simulator.callbacks import Webhooks
from campaign.simulator.calls import Call
from campaign.simulator.clock import Activity, SimulatorClock
from campaign.simulator.config import Faults, Range, SimulatorConfig, Timings
from campaign.simulator.ledger import Alert, Frame, Ledger


@dataclass(slots=True)
class World:
    """One simulated Twilio: its account, clock, ledger, and its way to the service."""

    config: SimulatorConfig
    clock: SimulatorClock
    ledger: Ledger
    activity: Activity
    webhooks: Webhooks
    base_url: str = ""  # of the REST side, known once it listens
    # number -> after how many frames, in both directions, its first socket is cut
    drop_after: dict[str, int] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)  # number -> persona, may grow while running
    voice_urls: dict[str, str] = field(default_factory=dict)  # number of the account -> its voice URL

    @property
    def timings(self) -> Timings:
        """How long things take."""
        return self.config.timings

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self.config.faults

    def alert(self, code: int, text: str, call_sid: str | None = None) -> None:
        """Write a line into the debugger."""
        self.ledger.alerts.append(Alert(code, text, call_sid, self.clock.now()))

    def frame(self, direction: str, call: Call, session_id: str, frame: object) -> None:
        """Write down a relay frame, `sent` to the service or `received` from it."""
        self.ledger.frames.append(Frame(direction, call.sid, session_id, frame, self.clock.monotonic()))


def draw(rng: Random, between: Range) -> float:
    """A number of that range."""
    return rng.uniform(*between)


async def race(world: World, call: Call, seconds: float) -> None:
    """Let clock seconds pass on a call. Raises Interrupted as soon as the call is interrupted."""
    await world.clock.wait(call.interrupted, seconds)
    call.check()
