"""The simulator accepts calls, loses its answers and every callback; the outcome is there all the same."""

from datetime import timedelta

import pytest

from campaign.flow.call_events import Hands
from campaign.flow.reconcile import Reconciler
from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN, Faults, Simulator, SimulatorConfig
from campaign.store.database import Database
from campaign.telephony.gateway import CallRequest, Gateway, UnknownResult
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING


@pytest.mark.parametrize("fault", ["rest_cut_body", "rest_no_sid", "rest_5xx_after", "rest_drop_after"])
@pytest.mark.parametrize(("person", "disposition"), [("busy", "busy"), ("failed", "failed")])
async def test_a_call_whose_answer_and_callbacks_were_lost_reaches_its_outcome_and_is_placed_once(
    db: Database, fault: str, person: str, disposition: str
) -> None:
    config = SimulatorConfig(
        calls_per_second=50,
        clock_start=TUESDAY_MORNING,
        clock_rate=60,
        people={rows.PHONE: person},
        faults=Faults(callback_loss=1.0, **{fault: 1.0}),
    )
    async with Simulator(config) as simulator:
        gateway = Gateway(ACCOUNT_SID, ACCOUNT_SID, AUTH_TOKEN, simulator.base_url)
        intent = simulator.clock.now()
        await rows.dialled(db, intent, state="unknown", hold_until=intent + timedelta(minutes=15))
        request = CallRequest(
            to=rows.PHONE,
            from_=rows.CALLER,
            url="http://127.0.0.1:9/twilio/voice/marker-1",
            status_callback="http://127.0.0.1:9/twilio/status/marker-1",
            ring_timeout_s=30,
            time_limit_s=600,
        )
        assert isinstance(await gateway.place(request), UnknownResult)
        await simulator.wait_idle()
        now = simulator.clock.now() + timedelta(seconds=10)
        swept = await Reconciler(db, gateway, Hands()).tick(now)
        await gateway.close()
        assert swept.found == 1
        assert len(simulator.creates) == 1
    outcome = await rows.row(db, "outcomes")
    assert (outcome["disposition"], outcome["cost"]) == (disposition, 0)
    assert (await rows.row(db, "attempts"))["call_sid"] == simulator.calls[0].sid
