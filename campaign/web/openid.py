"""Signing in at an OpenID provider (OpenID Connect Core 1.0, authorization code flow with PKCE).

The provider says who somebody is; we say who may come in. Everything that ties an answer to the browser
that asked is made from one random ticket in that browser's cookie: `state` (the answer is to our question),
`nonce` (the identity token is of this sign-in) and PKCE's verifier (only we can redeem the code).
"""

import asyncio
import base64
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import structlog
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from campaign.domain.errors import BadInput, NotAllowed, Unavailable
from campaign.settings import OpenIdSettings, is_loopback
from campaign.store.accounts import Role

log = structlog.get_logger(__name__)

CALLBACK = "/console/openid/callback"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that only the provider can make: never `none`, never one by a secret that we share."""
SECONDS = 10.0
LEEWAY_S = 60
"""The provider's clock and ours may differ by so much."""
KEPT = timedelta(hours=1)
"""Its description and its keys are asked for anew so often, and when a key is unknown."""
_STRONGEST = (Role.ADMIN, Role.OPERATOR, Role.UPLOADER, Role.ANALYST)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the provider says somebody is. `role`: by the settings' mapping; None: there is no mapping."""

    email: str
    name: str
    role: Role | None


class OpenId:
    """One provider.

    Args:
        settings: which, and as whom we ask it.
    """

    def __init__(self, settings: OpenIdSettings) -> None:
        self.settings = settings
        self._described: tuple[datetime, dict[str, Any]] | None = None
        self._keys: tuple[datetime, KeySet] | None = None
        self._asking = asyncio.Lock()

    async def address(self, ticket: str, origin: str, now: datetime) -> str:
        """Where the browser is sent.

        Raises:
            Unavailable: the provider doesn't answer as it should.
        """
        described = await self.described(now)
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": origin + CALLBACK,
            "scope": "openid email profile",
            "state": _made(ticket, "state"),
            "nonce": _made(ticket, "nonce"),
            "code_challenge": create_s256_code_challenge(_made(ticket, "verifier")),
            "code_challenge_method": "S256",
        }
        target = described["authorization_endpoint"]
        return f"{target}{'&' if '?' in target else '?'}{urlencode(asked)}"

    async def identity(self, *, code: str, state: str, ticket: str, origin: str, now: datetime) -> Identity:
        """Who has come back.

        Raises:
            BadInput: the answer is to another question, or was changed on the way.
            NotAllowed: the provider doesn't vouch for the address, or the settings let nobody of it in.
            Unavailable: the provider doesn't answer as it should.
        """
        if not ticket or not hmac.compare_digest(state.encode(), _made(ticket, "state").encode()):
            raise BadInput("This answer is not to a sign-in that began in this browser.", "Sign in again.")
        described = await self.described(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": origin + CALLBACK,
            "code_verifier": _made(ticket, "verifier"),
        }
        secret = self.settings.client_secret.get_secret_value()
        methods = described.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth = (self.settings.client_id, secret) if "client_secret_basic" in methods else None
        if auth is None:
            form |= {"client_id": self.settings.client_id, "client_secret": secret}
        told = await self._ask("POST", described["token_endpoint"], data=form, auth=auth)
        return self._checked(await self._claims(told, ticket, now))

    async def described(self, now: datetime) -> dict[str, Any]:
        """The provider's own description (OpenID Connect Discovery 1.0).

        Raises:
            Unavailable: there is none, or it is another provider's.
        """
        async with self._asking:
            if self._described is None or now - self._described[0] > KEPT:
                issuer = self.settings.issuer.rstrip("/")
                found = await self._ask("GET", issuer + "/.well-known/openid-configuration")
                if str(found.get("issuer", "")).rstrip("/") != issuer:
                    raise Unavailable(
                        f"The OpenID provider calls itself {found.get('issuer')!r}, not {issuer!r}.",
                        "Set OIDC_ISSUER to exactly what the provider calls itself.",
                    )
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    address = str(found.get(name, ""))
                    if not address.startswith("https://") and not is_loopback(address):
                        raise Unavailable(f"The OpenID provider names no safe {name}.", "Check OIDC_ISSUER.")
                self._described = (now, found)
            return self._described[1]

    async def _claims(self, told: dict[str, Any], ticket: str, now: datetime) -> CodeIDToken:
        """The identity token's claims, once its signature and all that it must say are checked."""
        identity = str(told.get("id_token", ""))
        try:
            try:
                token = jwt.decode(identity, await self._key_set(now), algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # its keys may have been changed
                self._keys = None
                token = jwt.decode(identity, await self._key_set(now), algorithms=ALGORITHMS)
            issuer = str((await self.described(now))["issuer"])
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "value": issuer},
                    "aud": {"essential": True, "value": self.settings.client_id},
                },
                params={
                    "nonce": _made(ticket, "nonce"),
                    "client_id": self.settings.client_id,
                    "access_token": told.get("access_token"),
                },
            )
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
        except (JoseError, ValueError) as error:
            log.warning("openid_token_refused", why=type(error).__name__)
            raise BadInput(
                "The OpenID provider's answer does not prove who you are.", "Sign in again."
            ) from None
        return claims

    async def _key_set(self, now: datetime) -> KeySet:
        if self._keys is None or now - self._keys[0] > KEPT:
            found = await self._ask("GET", (await self.described(now))["jwks_uri"])
            self._keys = (now, KeySet.import_key_set(found))  # type: ignore[arg-type]
        return self._keys[1]

    def _checked(self, claims: CodeIDToken) -> Identity:
        """Who may come in of those who are who they say."""
        email = str(claims.get("email", "")).strip().lower()
        if not email or claims.get("email_verified") not in (True, "true"):
            raise NotAllowed(
                "The OpenID provider does not vouch for your e-mail address.",
                "Have it verified there; the provider must send `email` and `email_verified`.",
            )
        domain = email.rpartition("@")[2]
        if self.settings.domains and domain not in self.settings.domains:
            raise NotAllowed(f"Addresses of {domain} may not sign in here.", "Use your company's account.")
        role = None
        if self.settings.role_claim:
            held = claims.get(self.settings.role_claim) or []
            groups = {held} if isinstance(held, str) else {str(one) for one in held}
            mapped = {Role(role) for group, role in self.settings.roles.items() if group in groups}
            role = next((one for one in _STRONGEST if one in mapped), None)
            if role is None:
                raise NotAllowed("None of your groups may sign in here.", "Ask an admin.")
        return Identity(email, str(claims.get("name") or email.partition("@")[0]), role)

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """One request to the provider, answered with a JSON object. Redirects are not followed."""
        try:
            async with httpx.AsyncClient(timeout=SECONDS) as client:
                answer = await client.request(method, url, headers={"Accept": "application/json"}, **more)
            found = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            log.warning("openid_provider_away", error=type(error).__name__)
            raise Unavailable("The OpenID provider can't be asked now.", "Try again in a minute.") from None
        if not isinstance(found, dict):
            log.warning("openid_provider_refuses", status=answer.status_code)
            raise Unavailable(
                f"The OpenID provider answered with status {answer.status_code}.",
                "Try again; if it stays so, `campaign doctor` tells more.",
            )
        return found


def _made(ticket: str, what: str) -> str:
    """43 characters that only the ticket's holder knows, another for each use."""
    made = hmac.digest(ticket.encode(), f"campaign: openid {what}".encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
