"""When alerts fire and when they cease, computed by hand: promtool evaluates the rules."""

from pathlib import Path

import pytest
import yaml

from gateway.oidcsettings import OidcSettings
from orfeon.slo.alerts import alert_names
from orfeon.slo.runbooks import RUNBOOKS
from tests.contract.promtool import RULES, Case, case, run

NAME = "chat-availability-0"
#: The only one that is looked at here.
PROMISE = ("chat", "availability")
WORK = 'orfeon_gateway_requests_total{namespace="ai",capability="chat",operation="chat",priority='
OK, ERROR = f'{WORK}"0",outcome="ok"}}', f'{WORK}"0",outcome="error"}}'
BUILD = 'orfeon_build_info{namespace="ai",capability="chat",version="1"}'
LOADS = 'orfeon_model_load_failures_total{namespace="ai",capability="chat",model="m"}'


def firing(alert: str, more: str = "") -> str:
    return f'count by (window) (ALERTS{{alertname="{alert}",alertstate="firing"{more}}})'


def of_windows(*windows: str) -> dict[str, float]:
    return {f'{{window="{window}"}}': 1.0 for window in windows}


AVAILABILITY = firing("OrfeonAvailabilityBurn")


def recovery() -> Case:
    """99.9 %: 100 requests a minute, 2 % of which fail for an hour, then none."""
    page = {
        "eval_time": "60m",
        "alertname": "OrfeonAvailabilityBurn",
        "exp_alerts": [
            {
                "exp_labels": {
                    "severity": severity,
                    "window": window,
                    "namespace": "ai",
                    "slo": NAME,
                    "indicator": "availability",
                    "capability": "chat",
                    "priority": "0",
                },
                "exp_annotations": {
                    "summary": "Requests fail: chat, level 0",
                    "description": f"Over {window}, 2% of the events of {NAME} were bad: the error "
                    f"budget is spent {factor} times as fast as it lasts.",
                    "runbook_url": "docs/runbooks/OrfeonAvailabilityBurn.md",
                },
            }
            for severity, window, factor in (
                ("page", "1h", "14.4"),
                ("page", "6h", "6"),
                ("ticket", "1d", "3"),
                ("ticket", "3d", "1"),
            )
        ],
    }
    return case(
        "what is mended ceases to page, first where it was fast",
        {OK: "0+98x60 5880+100x140", ERROR: "0+2x60 120+0x140"},
        [
            (AVAILABILITY, "60m", of_windows("1h", "6h", "1d", "3d")),
            # Of the last five minutes nothing is bad any more; of the last thirty, two thirds.
            (AVAILABILITY, "72m", of_windows("6h", "1d", "3d")),
            # The last half of an hour is clean.
            (AVAILABILITY, "100m", of_windows("1d", "3d")),
            # So are the last two hours; of the last six, 120 of 19,000 were bad.
            (AVAILABILITY, "190m", of_windows("3d")),
        ],
        [page],
    )


def weighed() -> Case:
    """Fifty quiet minutes, then ten busy ones of which a tenth fails: 500 of 5050 events."""
    return case(
        "a busy minute weighs more than a quiet one",
        {OK: "0+1x50 50+450x10", ERROR: "0+0x50 0+50x10"},
        [
            # The mean of the minutes would be under 3 %.
            (f'slo:error:ratio_rate1h{{slo="{NAME}"}} > bool 0.09', "60m", {_ratio_labels(): 1.0}),
            (f'slo:error:ratio_rate1h{{slo="{NAME}"}} < bool 0.11', "60m", {_ratio_labels(): 1.0}),
        ],
    )


def _ratio_labels() -> str:
    same = 'capability="chat", indicator="availability", namespace="ai", priority="0"'
    return f'{{{same}, slo="{NAME}"}}'


def quiet() -> list[Case]:
    """Five requests an hour."""
    all_but_one = case(
        "one failure of five wakes nobody",
        {OK: "0x10 1x10 2x10 3x10 4x30", ERROR: "0x45 1x30"},
        [
            (f'slo:error:ratio_rate1h{{slo="{NAME}"}} > bool 0.1', "55m", {_ratio_labels(): 1.0}),
            (AVAILABILITY, "47m", {}),
            (AVAILABILITY, "60m", {}),
        ],
    )
    every = case(
        "five failures of five do",
        {OK: "0x80", ERROR: "0x10 1x10 2x10 3x10 4x10 5x30"},
        [(AVAILABILITY, "57m", of_windows("1h", "6h", "1d", "3d"))],
    )
    nothing = case(
        "no request is no failure",
        {OK: "7x80", ERROR: "3x80"},
        [(AVAILABILITY, "60m", {}), ("slo:error:ratio_rate5m", "60m", {})],
    )
    return [all_but_one, every, nothing]


def levels() -> Case:
    """Every request fails, at level 2."""
    return case(
        "what is in the background wakes nobody",
        {f'{WORK}"2",outcome="error"}}': "0+10x60", f'{WORK}"2",outcome="ok"}}': "0x60"},
        [(AVAILABILITY, "60m", of_windows("1d", "3d"))],
    )


def releases() -> Case:
    """One namespace fails, another does not."""
    other = OK.replace('"ai"', '"other"'), ERROR.replace('"ai"', '"other"')
    return case(
        "one release does not hide another",
        {OK: "0+1000x60", ERROR: "0x60", other[0]: "0+9x60", other[1]: "0+1x60"},
        [
            (
                'count by (namespace) (ALERTS{alertname="OrfeonAvailabilityBurn",window="1h"})',
                "60m",
                {'{namespace="other"}': 1.0},
            )
        ],
    )


def days() -> Case:
    """Three days at 0.15 % of errors, of which 0.1 % are allowed, seen every ten minutes."""
    return case(
        "a slow leak is a ticket after days, and empties the budget",
        {OK: "0+998.5x1440", ERROR: "0+1.5x1440"},
        [
            (AVAILABILITY, "4305m", of_windows("3d")),
            (f'slo:error_budget:ratio{{slo="{NAME}"}} < bool -0.49', "4305m", {_ratio_labels(): 1}),
        ],
        interval="3m",
    )


def absent() -> list[Case]:
    """The gateway, and a capability of it."""
    gone = 'count(ALERTS{alertname="OrfeonGatewayAbsent",alertstate="firing"})'
    silent = 'count(ALERTS{alertname="OrfeonCapabilityAbsent",alertstate="firing"})'
    other = OK.replace('"ai"', '"other"')
    studio = 'count(ALERTS{alertname="OrfeonStudioAbsent",alertstate="firing",severity="page"})'
    sessions = 'orfeon_studio_sessions{namespace="ai",instance='
    return [
        case(
            "no gateway at all",
            {BUILD: "1x20"},
            [(gone, "4m", {}), (gone, "6m", {"{}": 1.0})],
        ),
        case(
            "one gateway of two goes, and is forgotten after an hour",
            {OK: "0+1x30 _x120", other: "0+1x150"},
            [(gone, "29m", {}), (gone, "42m", {"{}": 1.0}), (gone, "120m", {})],
        ),
        case(
            "a capability is silent, and comes back",
            {OK: "0+1x60", BUILD: "_x20 1x40"},
            [(silent, "9m", {}), (silent, "12m", {"{}": 1.0}), (silent, "25m", {})],
        ),
        case(
            "Studio goes, comes back, goes again and is forgotten after an hour",
            {OK: "0+1x200", f'{sessions}"a"}}': "0x30 _x20 0x20 _x130"},
            [
                (studio, "29m", {}),
                (studio, "42m", {"{}": 1.0}),
                (studio, "55m", {}),
                (studio, "82m", {"{}": 1.0}),
                (studio, "145m", {}),
            ],
        ),
        case(
            "one Studio of two goes",
            {OK: "0+1x60", f'{sessions}"a"}}': "3x60", f'{sessions}"b"}}': "0x20 _x40"},
            [(studio, "40m", {})],
        ),
        case("a release has no Studio", {OK: "0+1x60"}, [(studio, "40m", {})]),
    ]


def loads() -> list[Case]:
    """Failing loads of models."""
    failing = 'count(ALERTS{alertname="OrfeonModelLoadsFailing",alertstate="firing"})'
    return [
        case(
            "the first failure of a model is told, and ceases",
            {LOADS: "_x30 1x60"},
            [(failing, "29m", {}), (failing, "32m", {"{}": 1.0}), (failing, "50m", {})],
        ),
        case(
            "and so is a further one",
            {LOADS: "0x30 1x60"},
            [(failing, "29m", {}), (failing, "32m", {"{}": 1.0}), (failing, "50m", {})],
        ),
    ]


def state() -> list[Case]:
    """What gateways keep together."""
    database = 'count(ALERTS{alertname="OrfeonDatabaseDown",alertstate="firing"})'
    rates = 'count(ALERTS{alertname="OrfeonRatesUncounted",alertstate="firing"})'
    up = 'orfeon_gateway_database_up{namespace="ai",instance='
    labels = 'namespace="ai",level="2",outcome="closed"'
    uncounted = f"orfeon_gateway_rate_limit_failures_total{{{labels}}}"
    return [
        case(
            "one of two gateways has lost its database",
            {f'{up}"a"}}': "1x30", f'{up}"b"}}': "1x10 0x10 1x10"},
            [(database, "10m", {}), (database, "14m", {"{}": 1.0}), (database, "24m", {})],
        ),
        case(
            "Redis is away for some minutes",
            {uncounted: "0x10 0+5x5 25x20"},
            [(rates, "10m", {}), (rates, "15m", {"{}": 1.0}), (rates, "30m", {})],
        ),
    ]


def provider() -> list[Case]:
    """The OpenID provider."""
    down = 'count(ALERTS{alertname="OrfeonOidcDown",alertstate="firing",severity="page"})'
    up = 'orfeon_gateway_oidc_up{namespace="ai",instance='
    return [
        case(
            "the provider is away from one of two gateways, and comes back",
            {f'{up}"a"}}': "1x40", f'{up}"b"}}': "1x10 0x20 1x10"},
            [
                (down, "10m", {}),
                (down, "15m", {}),
                (down, "17m", {"{}": 1.0}),
                (down, "32m", {}),
            ],
        ),
        case(
            "it is away for some minutes",
            {f'{up}"a"}}': "1x10 0x3 1x20"},
            [(down, "13m", {}), (down, "20m", {})],
        ),
        case("there is none", {OK: "0+1x40"}, [(down, "30m", {})]),
    ]


def accelerators() -> list[Case]:
    """GPUs and Triton."""
    fault = 'count(ALERTS{alertname="OrfeonGpuFault",alertstate="firing"})'
    triton = 'count(ALERTS{alertname="OrfeonTritonFailing",alertstate="firing"})'
    done = 'nv_inference_request_success{namespace="ai",model="m",version="1"}'
    failed = 'nv_inference_request_failure{namespace="ai",model="m",version="1",reason="BACKEND"}'
    left = 'nv_inference_request_failure{namespace="ai",model="m",version="1",reason="CANCELED"}'
    xid = 'DCGM_FI_DEV_XID_ERRORS{namespace="gpu",Hostname="node",gpu="0"}'
    return [
        case("a GPU's fault", {xid: "0x10 79x10"}, [(fault, "9m", {}), (fault, "11m", {"{}": 1})]),
        case(
            "a model on Triton fails one time in ten, and is mended",
            {done: "0+9x30 270+10x60", failed: "0+1x30 30+0x60"},
            [(triton, "4m", {}), (triton, "20m", {"{}": 1.0}), (triton, "45m", {})],
        ),
        case(
            "who cancels is no failure",
            {done: "0+5x30", failed: "0x30", left: "0+5x30"},
            [(triton, "25m", {})],
        ),
    ]


CASES = [
    recovery(), weighed(), *quiet(), levels(), releases(), *absent(), *loads(), *state(),
    *provider(), *accelerators(),
]  # fmt: skip


@pytest.mark.parametrize("one", CASES, ids=[each["name"] for each in CASES])
def test_by_the_minute(one: Case, tmp_path: Path) -> None:
    run(tmp_path, [one], promise=PROMISE)


def test_by_the_day(tmp_path: Path) -> None:
    run(tmp_path, [days()], "15m", promise=PROMISE)


def test_who_mends_the_provider_has_most_of_the_time_that_its_keys_are_good() -> None:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    [wait] = [rule["for"] for rule in rules if rule.get("alert") == "OrfeonOidcDown"]
    settings = OidcSettings()
    known = settings.oidc_refresh_seconds + 60 * int(wait.removesuffix("m"))
    assert known < settings.oidc_stale_seconds / 4


def test_every_alert_has_a_runbook_and_none_is_left_over() -> None:
    assert list(RUNBOOKS) == alert_names()
    for runbook in RUNBOOKS.values():
        assert runbook.title
        assert runbook.means
        assert runbook.users
        assert runbook.steps
