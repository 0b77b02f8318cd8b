"""skaffold.yaml builds the images that the chart installs, each from a Dockerfile that is there."""

import re
from typing import Any

import yaml

from tests.contract.chart import CHART, ROOT, render


def _config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text("utf-8"))
    return config


def _chart_images() -> dict[str, str]:
    """The repository of each image of the chart, by the path of its value."""
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    parts = {f"capabilities.{name}": each for name, each in values["capabilities"].items()}
    parts |= {name: values[name] for name in ("arbiter", "gateway", "triton")}
    return {f"{path}.image": each["image"]["repository"] for path, each in parts.items()}


def _artifacts() -> dict[str, dict[str, Any]]:
    config = _config()
    added = [
        patch["value"]
        for profile in config["profiles"]
        for patch in profile["patches"]
        if patch["path"] == "/build/artifacts/-"
    ]
    return {each["image"]: each for each in [*config["build"]["artifacts"], *added]}


def test_the_file_is_of_the_version_four_schema() -> None:
    config = _config()
    assert re.fullmatch(r"skaffold/v4beta\d+", config["apiVersion"])
    assert config["kind"] == "Config"


def test_every_image_of_the_chart_is_built_from_a_dockerfile_that_exists() -> None:
    artifacts = _artifacts()
    assert set(artifacts) == {"orfeon-runtime", *_chart_images().values()}
    for artifact in artifacts.values():
        assert (ROOT / artifact["docker"]["dockerfile"]).is_file()


def test_images_on_the_shared_base_require_it_by_its_build_argument() -> None:
    for artifact in _artifacts().values():
        text = (ROOT / artifact["docker"]["dockerfile"]).read_text("utf-8")
        on_base = "ARG BASE=orfeon-runtime" in text
        required = artifact.get("requires", [])
        assert required == ([{"image": "orfeon-runtime", "alias": "BASE"}] if on_base else [])


def test_every_built_image_reaches_the_value_that_installs_it() -> None:
    config = _config()
    (release,) = config["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"] / "Chart.yaml").is_file()
    templates: dict[str, str] = dict(release["setValueTemplates"])
    for profile in config["profiles"]:
        for patch in profile["patches"]:
            if "/setValueTemplates/" in patch["path"]:
                templates[patch["path"].rpartition("/")[2]] = patch["value"]
    expected = {}
    for path, image in _chart_images().items():
        name = image.replace("-", "_")
        expected[f"{path}.repository"] = f"{{{{.IMAGE_REPO_{name}}}}}"
        expected[f"{path}.tag"] = f"{{{{.IMAGE_TAG_{name}}}}}"
    assert templates == expected


def test_the_chart_takes_the_values_that_skaffold_sets() -> None:
    config = _config()
    (release,) = config["deploy"]["helm"]["releases"]
    given: dict[str, Any] = dict(release["setValues"])
    for profile in config["profiles"]:
        for patch in profile["patches"]:
            if "/setValues/" in patch["path"]:
                given[patch["path"].rpartition("/")[2]] = patch["value"]
    values: dict[str, Any] = {}
    for path, value in given.items():
        *parents, last = path.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    assert "prod-orfeon-gateway" in render(values)["gateway-deployment.yaml"]
