"""Every error that the service raises on purpose.

    CampaignError                     has an HTTP status and a slug; str() is a sentence for a person
    ├── BadInput             400      what was sent cannot be used
    │   ├── BadDefinition    422      a campaign definition, with every fault and its line
    │   └── BadFile          422      a CSV that cannot be read at all
    ├── NotSignedIn          401
    ├── NotAllowed           403
    │   └── BadSignature     403      a webhook that Twilio did not sign
    ├── NotFound             404
    ├── Conflict             409      the state of things forbids it now
    │   └── LeaseLost                 another replica does by now what only one may do
    ├── TooLarge             413
    ├── TooManyTries         429      to sign in, with the seconds to wait
    ├── SettingsError        500      a setting is missing or wrong
    ├── Unavailable          503      something we need is away
    │   ├── DatabaseUnavailable
    │   └── SchemaMismatch
    └── TwilioError          502      what Twilio answered; see telephony/gateway.py for its classes

Each carries what was wrong, where, and what to do, as data, so that the command line, the API
(RFC 9457 problem documents) and the logs tell the same story.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class CampaignError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: one sentence: what happened and where.
        do: one sentence: what to do about it; empty when there is nothing to do.
        **data: facts for programs (JSON-able values), shown as members of the problem document.
    """

    status = 500
    slug = "error"
    exit_code = 1

    def __init__(self, what: str, do: str = "", **data: object) -> None:
        super().__init__(what if not do else f"{what} {do}")
        self.what = what
        self.do = do
        self.data = data


class BadInput(CampaignError):
    status = 400
    slug = "bad-input"
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a definition: where (dotted path, line from 1 or None) and why."""

    path: str
    line: int | None
    why: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "definition"
        return f"{where}: {self.path}: {self.why}" if self.path else f"{where}: {self.why}"


class BadDefinition(BadInput):
    """A campaign definition that cannot be used; carries every fault found."""

    status = 422
    slug = "bad-definition"

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(
            f"{name} has {len(faults)} fault{'s' if len(faults) != 1 else ''}:\n{lines}",
            faults=[{"path": f.path, "line": f.line, "why": f.why} for f in faults],
        )
        self.faults = tuple(faults)


class BadFile(BadInput):
    status = 422
    slug = "bad-file"


class NotSignedIn(CampaignError):
    status = 401
    slug = "not-signed-in"


class NotAllowed(CampaignError):
    status = 403
    slug = "not-allowed"


class BadSignature(NotAllowed):
    slug = "bad-signature"


class NotFound(CampaignError):
    status = 404
    slug = "not-found"
    exit_code = 2


class Conflict(CampaignError):
    status = 409
    slug = "conflict"
    exit_code = 3


class LeaseLost(Conflict):
    """Nothing was written: another replica holds the lease now and does the work."""

    slug = "lease-lost"


class TooManyTries(CampaignError):
    """Nothing was looked at: whoever asks must wait `data["seconds"]`."""

    status = 429
    slug = "too-many-tries"


class TooLarge(BadInput):
    status = 413
    slug = "too-large"


class SettingsError(CampaignError):
    status = 500
    slug = "settings"
    exit_code = 2


class Unavailable(CampaignError):
    status = 503
    slug = "unavailable"
    exit_code = 4


class DatabaseUnavailable(Unavailable):
    slug = "database-unavailable"


class SchemaMismatch(Unavailable):
    slug = "schema-mismatch"


class TwilioError(CampaignError):
    status = 502
    slug = "twilio"
    exit_code = 4
