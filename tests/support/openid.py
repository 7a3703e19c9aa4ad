"""A small OpenID provider over HTTP: signs everybody in at once, as whom the test says."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, Form, Header
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "console", "a secret of the client's"


KEY = RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Provider:
    """What it says of whoever comes, and how it is wrong if the test wants it so.

    Args:
        claims: of the identity token, over the right ones; None leaves one out.
        forged: sign with a key that is not among the published ones.
    """

    address: str = ""
    now: int = 0
    claims: dict[str, Any] = field(default_factory=dict)
    forged: bool = False
    redeemed: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def app(self) -> FastAPI:
        """The provider's doors."""
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        async def described() -> dict[str, Any]:
            return {
                "issuer": self.address,
                "authorization_endpoint": self.address + "/authorize",
                "token_endpoint": self.address + "/token",
                "jwks_uri": self.address + "/keys",
            }

        @app.get("/keys")
        async def keys() -> dict[str, Any]:
            return {"keys": [KEY.as_dict(private=False)]}

        @app.get("/authorize")
        async def authorize(
            redirect_uri: str, state: str, nonce: str, code_challenge: str, client_id: str
        ) -> RedirectResponse:
            assert client_id == CLIENT
            code = secrets.token_urlsafe(8)
            self._codes[code] = {"nonce": nonce, "challenge": code_challenge, "to": redirect_uri}
            return RedirectResponse(f"{redirect_uri}?code={code}&state={state}", 302)

        @app.post("/token")
        async def token(
            code: Annotated[str, Form()],
            code_verifier: Annotated[str, Form()],
            redirect_uri: Annotated[str, Form()],
            authorization: Annotated[str, Header()],
        ) -> JSONResponse:
            asked = self._codes.pop(code, None)
            digest = hashlib.sha256(code_verifier.encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            if (
                not asked
                or asked["challenge"] != challenge
                or asked["to"] != redirect_uri
                or authorization != basic
            ):
                return JSONResponse({"error": "invalid_grant"}, 400)
            self.redeemed.append(code)
            return JSONResponse(
                {"access_token": "x", "token_type": "Bearer", "id_token": self._signed(asked)}
            )

        return app

    def _signed(self, asked: dict[str, str]) -> str:
        claims = {
            "iss": self.address,
            "sub": "1",
            "aud": CLIENT,
            "iat": self.now,
            "exp": self.now + 300,
            "nonce": asked["nonce"],
            "email": "ana@example.com",
            "email_verified": True,
            "name": "Ana Lima",
            **self.claims,
        }
        key = RSAKey.generate_key(2048, {"kid": "one"}) if self.forged else KEY
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "one"}, kept, key)
