"""An OpenID provider in this process, over a real socket: a test user is signed in by a click.

It serves discovery, JWKS, the authorization code flow with PKCE for public clients, refresh tokens,
their revocation and signing out, and issues access tokens as RFC 9068 has them. A browser that has
signed in is not asked again until it signs out.
"""

import base64
import hashlib
import html
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.errors import JoseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.fakes.ports import free_port
from tests.fakes.tokens import Signer, jwks, key_set
from tests.integration.authority import Authority

#: What a user is unless a test says otherwise.
ADA = {"name": "Ada Lovelace", "email": "ada@example.org"}

_CODE_SECONDS = 60
#: The cookie that says who has signed in.
_COOKIE = "provider_user"


@dataclass(frozen=True)
class _Grant:
    """What a user has let a client do."""

    sub: str
    client_id: str
    scope: str
    audience: str
    redirect_uri: str = ""
    challenge: str = ""
    nonce: str = ""
    ends: float = 0.0


class _Refused(Exception):
    """An error of OAuth, by its code."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.answer = JSONResponse(
            {"error": code, "error_description": description}, status_code=status
        )


class Provider:
    """A provider that signs with one key, and publishes it.

    `users` are claims by subject; with `automatic` the first one is signed in without a click.
    `clients` are the addresses that each may have a code sent to; without, any may to anywhere.
    What is asked for is granted; who names no `audience` gets a token for `audience`. A token lasts
    `expires_in` seconds. `port` 0 is a free one, which nobody else takes while it is away. With an
    `authority` it is asked by TLS.
    """

    def __init__(
        self,
        *,
        audience: str = "orfeon",
        algorithm: str = "RS256",
        users: Mapping[str, Mapping[str, Any]] | None = None,
        clients: Mapping[str, Sequence[str]] | None = None,
        automatic: bool = False,
        expires_in: float = 300,
        host: str = "127.0.0.1",
        port: int = 0,
        authority: Authority | None = None,
    ) -> None:
        self.audience = audience
        self._algorithm = algorithm
        self._users = {"ada": ADA} if users is None else users
        self._clients = clients
        self._automatic = automatic
        self._expires_in = expires_in
        self._host = host
        self._port = port or free_port()
        self._authority = authority
        self._codes: dict[str, _Grant] = {}
        self._refreshes: dict[str, _Grant] = {}
        self.signers = [Signer(algorithm)]
        self.fetched = 0
        """How often the keys were asked for."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def issuer(self) -> str:
        """Its name, which is its address."""
        scheme = "https" if self._authority else "http"
        return f"{scheme}://{self._host}:{self._port}"

    def start(self) -> None:
        """Listens; again at the same port after `stop`."""
        listening = socket.create_server((self._host, self._port))
        authority = self._authority
        config = uvicorn.Config(
            self._app(),
            ws="none",
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
            ssl_certfile=authority.chain if authority else None,
            ssl_keyfile=authority.key if authority else None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        """Goes away; who connects is refused."""
        self._server.should_exit = True
        self._thread.join(10)

    def rotate(self, *, keep: bool = False) -> None:
        """Signs with a new key from now on. The old ones are published no more, unless kept."""
        self.signers = [Signer(self._algorithm), *(self.signers if keep else [])]

    def revoke(self) -> None:
        """Takes back every refresh token."""
        self._refreshes.clear()

    def token(
        self,
        sub: str | None = "ada",
        scopes: Sequence[str] = (),
        audience: str | Sequence[str] | None = None,
        expires_in: float | None = None,
        **claims: Any,
    ) -> str:
        """An access token, whose claims may be replaced, or left out where they are None."""
        now = time.time()
        lasts = self._expires_in if expires_in is None else expires_in
        fields: dict[str, Any] = {
            "iss": self.issuer,
            "sub": sub,
            "aud": self.audience if audience is None else audience,
            "iat": int(now),
            "exp": int(now + lasts),
            "jti": secrets.token_hex(8),
            "scope": " ".join(scopes),
            **claims,
        }
        kept = {name: value for name, value in fields.items() if value is not None}
        return self.signers[0].sign(kept)

    def _app(self) -> Starlette:
        def route(path: str, answer: Callable[[Mapping[str, str]], Response]) -> Route:
            async def endpoint(request: Request) -> Response:
                fields = dict(request.query_params)
                if request.method == "POST":
                    fields |= {name: str(value) for name, value in (await request.form()).items()}
                fields[_COOKIE] = request.cookies.get(_COOKIE, "")
                if bearer := request.headers.get("authorization"):
                    fields["authorization"] = bearer
                try:
                    return answer(fields)
                except _Refused as refused:
                    return refused.answer

            return Route(path, endpoint, methods=["GET", "POST"])

        routes = [
            route("/.well-known/openid-configuration", self._discovery),
            route("/jwks", self._jwks),
            route("/authorize", self._authorize),
            route("/token", self._token),
            route("/userinfo", self._userinfo),
            route("/revoke", self._revoke),
            route("/logout", self._logout),
        ]
        cors = Middleware(
            CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
        )
        return Starlette(routes=routes, middleware=[cors])

    def _discovery(self, _: Mapping[str, str]) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "revocation_endpoint": f"{self.issuer}/revoke",
                "end_session_endpoint": f"{self.issuer}/logout",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self._algorithm],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
            }
        )

    def _jwks(self, _: Mapping[str, str]) -> Response:
        self.fetched += 1
        return JSONResponse(jwks(*self.signers))

    def _authorize(self, asked: Mapping[str, str]) -> Response:
        """Asks who it is, by a page with a button for each user, which asks for this again."""
        client, address = asked.get("client_id", ""), asked.get("redirect_uri", "")
        if self._clients is not None and address not in self._clients.get(client, ()):
            return HTMLResponse("<p>Unknown client or address.</p>", 400)
        state = {"state": asked["state"]} if "state" in asked else {}
        wrong = ""
        if asked.get("response_type") != "code":
            wrong = "unsupported_response_type"
        elif asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            wrong = "invalid_request"
        elif "openid" not in asked.get("scope", "").split():
            wrong = "invalid_scope"
        if wrong:
            return _back(address, {"error": wrong, **state})
        user = asked.get("user") or asked[_COOKIE]
        if self._automatic:
            user = user or next(iter(self._users))
        if user not in self._users:
            return _login(self._users, asked)
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Grant(
            sub=user,
            client_id=client,
            scope=asked["scope"],
            audience=asked.get("audience") or asked.get("resource") or self.audience,
            redirect_uri=address,
            challenge=asked["code_challenge"],
            nonce=asked.get("nonce", ""),
            ends=time.time() + _CODE_SECONDS,
        )
        answer = _back(address, {"code": code, "iss": self.issuer, **state})
        answer.set_cookie(_COOKIE, user, httponly=True, samesite="lax")
        return answer

    def _token(self, asked: Mapping[str, str]) -> Response:
        kind = asked.get("grant_type")
        if kind == "authorization_code":
            # Whatever comes of it, a code is good once.
            grant = self._codes.pop(asked.get("code", ""), None)
            if grant is None or grant.ends < time.time():
                raise _Refused("invalid_grant", "The code is wrong, used or expired.")
            if grant.redirect_uri != asked.get("redirect_uri"):
                raise _Refused("invalid_grant", "The code was for another redirect_uri.")
            if grant.challenge != _challenge(asked.get("code_verifier", "")):
                raise _Refused("invalid_grant", "The code_verifier is wrong.")
        elif kind == "refresh_token":
            grant = self._refreshes.pop(asked.get("refresh_token", ""), None)
            if grant is None:
                raise _Refused("invalid_grant", "The refresh token is wrong or used.")
        else:
            raise _Refused("unsupported_grant_type", "Only codes and refresh tokens.")
        if grant.client_id != asked.get("client_id"):
            raise _Refused("invalid_client", "It was for another client.", 401)
        refresh = secrets.token_urlsafe(24)
        self._refreshes[refresh] = grant
        return JSONResponse(
            {
                "access_token": self.token(
                    grant.sub, grant.scope.split(), grant.audience, client_id=grant.client_id
                ),
                "token_type": "Bearer",
                "expires_in": int(self._expires_in),
                "refresh_token": refresh,
                "id_token": self._id_token(grant),
                "scope": grant.scope,
            },
            headers={"cache-control": "no-store"},
        )

    def _id_token(self, grant: _Grant) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": grant.sub,
            "aud": grant.client_id,
            "iat": now,
            "exp": now + int(self._expires_in),
            **({"nonce": grant.nonce} if grant.nonce else {}),
            **self._users[grant.sub],
        }
        return self.signers[0].sign(claims, typ="JWT")

    def _userinfo(self, asked: Mapping[str, str]) -> Response:
        _, _, token = asked.get("authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, key_set(*self.signers), [self._algorithm]).claims
        except JoseError:
            raise _Refused("invalid_token", "The token is wrong.", 401) from None
        return JSONResponse({"sub": claims["sub"], **self._users.get(claims["sub"], {})})

    def _revoke(self, asked: Mapping[str, str]) -> Response:
        """Takes a refresh token back; one that there is not is none any more either."""
        grant = self._refreshes.get(asked.get("token", ""))
        if grant is not None and grant.client_id != asked.get("client_id"):
            raise _Refused("invalid_client", "It was for another client.", 401)
        self._refreshes.pop(asked.get("token", ""), None)
        return Response()

    def _logout(self, asked: Mapping[str, str]) -> Response:
        """Signs out whom an identity of ours names, and leads on to where its client wants."""
        try:
            claims = jwt.decode(asked.get("id_token_hint", ""), key_set(*self.signers)).claims
        except (JoseError, ValueError):
            return HTMLResponse("<p>Who is this?</p>", 400)
        client, address = claims["aud"], asked.get("post_logout_redirect_uri", "")
        known = self._clients is None or address in self._clients.get(client, ())
        if asked.get("client_id", client) != client or not known:
            return HTMLResponse("<p>Unknown client or address.</p>", 400)
        answer = _back(address, {"state": asked["state"]} if "state" in asked else {})
        answer.delete_cookie(_COOKIE)
        return answer


def _back(address: str, fields: Mapping[str, str]) -> Response:
    joint = "&" if "?" in address else "?"
    return RedirectResponse(f"{address}{joint}{urlencode(fields)}" if fields else address, 302)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _login(users: Mapping[str, Mapping[str, Any]], asked: Mapping[str, str]) -> Response:
    kept = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in asked.items()
        if name != "user"
    )
    buttons = "".join(
        f'<p><button name="user" value="{html.escape(sub)}">Sign in as {html.escape(sub)}</button>'
        for sub in users
    )
    return HTMLResponse(
        "<!doctype html><html lang=en><title>Sign in</title>"
        f'<form method="post" action="/authorize">{kept}{buttons}</form></html>'
    )
