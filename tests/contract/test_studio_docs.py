"""The page about Studio names every setting and every metric, with what they are by themselves."""

import re

from prometheus_client import CollectorRegistry

from services.studio.metrics import StudioMetrics
from services.studio.settings import StudioSettings
from tests.contract.chart import ROOT

PAGE = (ROOT / "docs" / "studio.md").read_text("utf-8")
#: Those whose default is told in words.
WORDS = {
    "PUBLIC_URL",
    "OIDC_ISSUER",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_CA_FILE",
    "OIDC_AUDIENCE",
}


def test_every_setting_is_named_with_its_default() -> None:
    rows = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|(.*?)\|", PAGE, re.MULTILINE)
    told: dict[str, str] = {}
    for names, defaults in rows:
        named, given = (
            re.findall(r"[A-Z_]+", names),
            [each.strip(" `") for each in defaults.split(",")],
        )
        told |= dict(zip(named, given * len(named) if len(given) == 1 else given, strict=True))
    fields = {name.upper(): field for name, field in StudioSettings.model_fields.items()}
    del fields["LOG_LEVEL"]
    assert set(told) == set(fields)
    for name, field in fields.items():
        if name not in WORDS | {"OIDC_NAME"}:
            assert told[name] == str(field.default), name
        else:
            assert field.default == "", name


def test_every_metric_is_named() -> None:
    registry = CollectorRegistry()
    StudioMetrics(registry, lambda: 0)
    made = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
        # Others are those of every process.
        if family.name.startswith("orfeon_")
    }
    assert set(re.findall(r"^\| `(orfeon_studio_\w+)", PAGE, re.MULTILINE)) == made
