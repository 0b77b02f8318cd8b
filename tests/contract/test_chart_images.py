"""Addresses of images in a cluster: as clients reach the gateway from outside."""

from typing import Any

import pytest

from tests.contract.chart import environment, of_kind

NAME = "ORFEON_GATEWAY_PUBLIC_URL"


def told(values: dict[str, Any]) -> str | None:
    return environment(of_kind(values, "Deployment")["gateway"]).get(NAME)


@pytest.mark.parametrize(("tls", "scheme"), [(True, "https"), (False, "http")])
def test_the_gateway_is_told_the_host_of_its_route(tls: bool, scheme: str) -> None:
    route = {
        "enabled": True,
        "host": "ai.example.com",
        "tls": {"enabled": tls, "certResolver": "letsencrypt"},
    }
    assert told({"ingressRoute": route}) == f"{scheme}://ai.example.com"
    own = {"ingressRoute": route, "gateway": {"env": {NAME: "https://other.example.com"}}}
    assert told(own) == "https://other.example.com"


def test_without_a_route_it_tells_what_clients_used() -> None:
    assert told({}) is None
