"""What the chart tells the gateway of an OpenID provider."""

import json
import re
from typing import Any, get_args

import helm_python as helm
import pytest
import yaml

from gateway.keystore import SCOPES
from gateway.oidcsettings import Algorithm, OidcSettings
from tests.contract.chart import CHART, ROOT, container, environment, of_kind, pod, render
from tests.contract.network import Network

OIDC = {"issuer": "https://login.example.org/realms/music", "audience": "orfeon"}
PREFIX = "ORFEON_GATEWAY_OIDC_"
FILE = "/etc/orfeon/oidc/ca.crt"


def told(**oidc: Any) -> dict[str, str]:
    """The variables of the gateway that are about it."""
    gateway = of_kind({"gateway": {"oidc": oidc}}, "Deployment")["gateway"]
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment(gateway).items()
        if name.startswith(PREFIX)
    }


def read(variables: dict[str, str]) -> OidcSettings:
    """As the gateway reads them: what is a list or a mapping is JSON."""
    fields = {
        name: json.loads(value) if value[:1] in ("[", "{") else value
        for name, value in variables.items()
    }
    return OidcSettings.model_validate({f"oidc_{name}": value for name, value in fields.items()})


def test_nothing_is_said_unless_a_provider_is_named() -> None:
    assert told() == {}


def test_what_the_chart_takes_for_granted_the_gateway_does_too() -> None:
    assert read(told(**OIDC)) == OidcSettings(
        oidc_issuer=OIDC["issuer"], oidc_audience=OIDC["audience"]
    )


def test_every_setting_reaches_the_gateway() -> None:
    values = {
        "jwksUrl": "https://login.example.org/keys?v=2",
        "algorithms": ["ES256"],
        "leewaySeconds": 5,
        "scopesClaim": "realm_access.roles",
        "scopes": {"musicians": ["song", "melody"]},
        "defaultScopes": ["models"],
        "priorityFloor": 2,
        "priorityClaim": "priority",
        "requestsPerMinute": 6_000_000,
        "tokensPerMinute": 70_000_000,
        "refreshSeconds": 60,
        "staleSeconds": 86_400,
        "allowHttp": True,
    }
    found = told(**OIDC, **values)
    # Which is the place of a file that is not here.
    assert told(**OIDC, ca={"configMapName": "company"}).items() - told(**OIDC).items() == {
        ("ca_file", FILE)
    }
    known = {name.removeprefix("oidc_") for name in OidcSettings.model_fields}
    assert set(found) == known - {"ca_file"}
    settings = read(found)
    for name, value in values.items():
        assert getattr(settings, "oidc_" + re.sub("([A-Z])", r"_\1", name).lower()) == value


@pytest.mark.parametrize(
    ("ca", "source"),
    [
        (
            {"configMapName": "company"},
            {"configMap": {"name": "company", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ),
        (
            {"secretName": "login-tls", "key": "root.pem"},
            {
                "secret": {
                    "secretName": "login-tls",
                    "items": [{"key": "root.pem", "path": "ca.crt"}],
                }
            },
        ),
    ],
)
def test_authorities_are_mounted_where_somebody_asks_the_provider(
    ca: dict[str, str], source: dict[str, Any]
) -> None:
    values: dict[str, Any] = {"gateway": {"oidc": OIDC | {"ca": ca}}}
    without = of_kind(values, "Deployment")["studio"]
    assert "oidc" not in str(without).lower()
    made = of_kind(values | {"studio": {"oidc": {"clientId": "studio"}}}, "Deployment")
    for name in ("gateway", "studio"):
        variable = f"ORFEON_{name.upper()}_OIDC_CA_FILE"
        assert environment(made[name])[variable] == FILE
        mount = {"name": "oidc-ca", "mountPath": "/etc/orfeon/oidc", "readOnly": True}
        assert mount in container(made[name])["volumeMounts"]
        assert {"name": "oidc-ca", **source} in pod(made[name])["volumes"]
    assert [name for name, each in made.items() if "oidc-ca" in str(each)] == ["gateway", "studio"]


def test_the_schema_knows_what_the_gateway_knows() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["properties"]["gateway"]["properties"]["oidc"]["properties"]
    assert set(known["defaultScopes"]["items"]["enum"]) == set(SCOPES)
    assert set(known["algorithms"]["items"]["enum"]) == set(get_args(Algorithm))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"audience": ""}, "needs gateway.oidc.audience"),
        ({"issuer": ""}, "need gateway.oidc.issuer"),
        (
            {"issuer": "", "audience": "", "ca": {"configMapName": "a"}},
            "gateway.oidc.ca has the authorities of the provider gateway.oidc.issuer",
        ),
        ({"ca": {"configMapName": "a", "secretName": "b"}}, "empty one of them"),
        ({"ca": {"configMapName": "a b"}}, "configMapName"),
        ({"ca": {"key": ""}}, "key"),
        ({"ca": {"pem": "x"}}, "pem"),
        ({"issuer": "http://login.example.org"}, "without TLS"),
        ({"jwksUrl": "http://login.example.org/keys"}, "without TLS"),
        ({"issuer": "https://login.example.org:8443/"}, "port 8443"),
        ({"issuer": "http://dex.auth.svc", "allowHttp": True}, "port 80,"),
        ({"staleSeconds": 60}, "must not be less"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"defaultScopes": ["root"]}, "defaultScopes"),
        ({"issuer": "login.example.org"}, "issuer"),
        ({"priorityFloor": 3}, "priorityFloor"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_what_cannot_work_fails_with_a_sentence(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm.HelmError, match=said):
        render({"gateway": {"oidc": OIDC | values}})


def test_a_provider_means_nothing_where_no_key_is_required() -> None:
    with pytest.raises(helm.HelmRenderError, match="means nothing"):
        render({"gateway": {"oidc": OIDC, "env": {"ORFEON_GATEWAY_REQUIRE_KEYS": "false"}}})


def test_the_gateway_alone_reaches_the_provider_unless_people_sign_in_there() -> None:
    policy = {"oidc": {"to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}], "ports": [8443]}}
    oidc = OIDC | {"issuer": "https://login.example.org:8443"}
    network = Network({"gateway": {"oidc": oidc}, "networkPolicy": policy})
    rule = {"to": policy["oidc"]["to"], "ports": [{"port": 8443, "protocol": "TCP"}]}
    allowed = {name for name in network.pods if rule in network.outside(name, "egress")}
    assert allowed == {"gateway"}


def test_the_page_about_it_names_every_setting_and_its_default() -> None:
    page = (ROOT / "docs" / "oidc.md").read_text()
    rows = dict(re.findall(r"^\| (`[A-Z_`, ]+`) \| (.*?) \|", page, re.MULTILINE))
    defaults = {
        name: default.strip("`") for names, default in rows.items() for name in names.split(", ")
    }
    fields = {f"`{name.removeprefix('oidc_').upper()}`": field for name, field in
              OidcSettings.model_fields.items()}  # fmt: skip
    assert set(defaults) == set(fields)
    for name, field in fields.items():
        if isinstance(field.default, (bool, int, float, list)):
            assert yaml.safe_load(defaults[name]) == field.default
