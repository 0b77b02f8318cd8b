"""Addresses of images in a cluster: as clients reach the gateway from outside."""

from typing import Any

import pytest

from tests.contract.chart import environment, of_kind

NAME = "ORFEON_GATEWAY_PUBLIC_URL"


def told(values: dict[str, Any]) -> str | None:
    return environment(of_kind(values, "Deployment")["gateway"]).get(NAME)


@pytest.mark.parametrize(("tls", "scheme"), [(True, "https"), (False, "http")])
def test_the_gateway_is_told_the_host_of_its_route(tls: bool, scheme: str) -> None:
    edge = {
        "provider": "traefik",
        "host": "ai.example.com",
        "tls": {"mode": "secret", "secretName": "ai-tls"} if tls else {"mode": "none"},
        "hsts": {"seconds": 0},
    }
    assert told({"edge": edge}) == f"{scheme}://ai.example.com"
    own = {"edge": edge, "gateway": {"env": {NAME: "https://other.example.com"}}}
    assert told(own) == "https://other.example.com"


def test_without_a_route_it_tells_what_clients_used() -> None:
    assert told({}) is None
