"""Public holidays of a country, from the `holidays` package.

That package comes with every country and loads them all for any one: its `holidays.countries` imports each
of its modules. In a service, and in every command, that is 9 MB and a quarter of a second for the few
countries that rules name. Here `holidays.countries` is known by its place alone, and its modules load one by
one as they are asked for.
"""

import importlib.util
import sys
from datetime import date

COUNTRIES = "holidays.countries"

_found = importlib.util.find_spec(COUNTRIES)
if _found is not None and COUNTRIES not in sys.modules:
    sys.modules[COUNTRIES] = importlib.util.module_from_spec(_found)

import holidays  # noqa: E402 (knows its countries by now)


def public_holidays(country: str, subdivision: str, year: int) -> dict[date, str]:
    """The days of that year with their English names, observed days included.

    Args:
        country: by ISO 3166-1, two letters.
        subdivision: of it, by ISO 3166-2 without the country, or "".
    Raises:
        NotImplementedError, ValueError: the package has no such place.
    """
    found = holidays.country_holidays(country, subdiv=subdivision or None, years=year, language="en_US")
    return {day: name for day, name in found.items() if day.year == year}
