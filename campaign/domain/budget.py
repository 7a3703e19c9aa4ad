"""What calls cost: the estimate reserved before a dial, and the lines of the final sum.

Twilio bills whole minutes begun, and its call price covers connectivity only; the relay, machine detection,
recording and the model come on top. A cap holds the sum: it is reserved for the longest call allowed before
the dial and settled when the call is over.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil

from campaign.domain.errors import SettingsError

CENT_FRACTION = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in one currency.

    Args:
        connect_per_minute: ISO country of the number → price of a minute begun.
        relay_per_minute, recording_per_minute, model_per_minute: per minute begun.
        detection_per_call: machine detection, per call.
        wrap_up_per_request: a model that writes the record of a call, per request.
        lookup: what is asked about a number ("line_type", "reassigned") → price of an answer.
    """

    currency: str
    connect_per_minute: Mapping[str, Decimal]
    relay_per_minute: Decimal
    detection_per_call: Decimal
    recording_per_minute: Decimal
    model_per_minute: Decimal
    wrap_up_per_request: Decimal = Decimal(0)
    lookup: Mapping[str, Decimal] = field(default_factory=dict)

    def knows(self, region: str) -> bool:
        """Is there a price for numbers of this country? Without one nothing is dialled there."""
        return region in self.connect_per_minute

    def lines(
        self,
        region: str,
        seconds: int,
        *,
        detection: bool,
        recorded: bool,
        model: bool,
        wrap_ups: int = 0,
        twilio_price: Decimal | None = None,
    ) -> dict[str, Decimal]:
        """The lines of one call's cost.

        Args:
            region: ISO country of the number.
            seconds: answered time; 0 for a call that nobody answered (which costs nothing but its price).
            wrap_ups: requests to a model that wrote the call's record.
            twilio_price: what Twilio says the connectivity cost, positive; replaces the estimate.
        Returns:
            line name → amount in `currency`, only lines that are not zero.
        """
        minutes = ceil(seconds / 60)
        connect = self.connect_per_minute.get(region, Decimal(0)) * minutes
        lines = {
            "connect": twilio_price if twilio_price is not None else connect,
            "relay": self.relay_per_minute * minutes,
            "detection": self.detection_per_call if detection and seconds else Decimal(0),
            "recording": self.recording_per_minute * minutes if recorded else Decimal(0),
            "model": self.model_per_minute * minutes if model else Decimal(0),
            "wrap_up": self.wrap_up_per_request * wrap_ups,
        }
        return {name: amount.quantize(CENT_FRACTION) for name, amount in lines.items() if amount}


def parse_rates(text: str, name: str) -> Rates:
    """Read a rates file.

    Args:
        text: TOML as in campaign/rates.toml.
        name: of the file, for errors.
    Raises:
        SettingsError: naming what is wrong in the file.
    """
    try:
        data = tomllib.loads(text)
        rates = Rates(
            currency=str(data["currency"]),
            connect_per_minute={k: Decimal(str(v)) for k, v in data["connect_per_minute"].items()},
            relay_per_minute=Decimal(str(data["relay_per_minute"])),
            detection_per_call=Decimal(str(data["detection_per_call"])),
            recording_per_minute=Decimal(str(data["recording_per_minute"])),
            model_per_minute=Decimal(str(data["model_per_minute"])),
            wrap_up_per_request=Decimal(str(data.get("wrap_up_per_request", 0))),
            lookup={k: Decimal(str(v)) for k, v in data.get("lookup", {}).items()},
        )
    except (tomllib.TOMLDecodeError, KeyError, ArithmeticError, AttributeError) as error:
        raise SettingsError(
            f"The rates file {name} cannot be used: {error!r}.",
            "Compare it with campaign/rates.toml, which has every key.",
        ) from None
    return rates
