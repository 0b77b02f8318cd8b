"""skaffold.yaml builds the images that the chart installs, each from a Dockerfile that is there."""

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from tests.contract.chart import CHART, ROOT, container, of_kind

SCHEMA = json.loads((ROOT / "tests/contract/schemas/skaffold.json").read_text("utf-8"))
#: What profiles are given together.
CHOICES = ((), ("dev",), ("cpu",), ("gpu",), ("triton",), ("gpu", "triton"))
EVERY_CHOICE = pytest.mark.parametrize("profiles", CHOICES, ids="+".join)

Config = dict[str, Any]


def written() -> Config:
    config: Config = yaml.safe_load((ROOT / "skaffold.yaml").read_text("utf-8"))
    return config


def config_of(profiles: tuple[str, ...]) -> Config:
    """What Skaffold makes of the file with these profiles: patches, then lists instead of lists."""
    config = copy.deepcopy(written())
    known = {profile["name"]: profile for profile in config.pop("profiles")}
    for name in profiles:
        for patch in known[name].get("patches", ()):
            _apply(config, patch)
        config["build"] |= known[name].get("build", {})
    jsonschema.validate({**config, "profiles": []}, SCHEMA)
    return config


def _apply(config: Config, patch: Mapping[str, Any]) -> None:
    """As JSON Patch: `replace` wants what is there."""
    place: Any = config
    *parents, last = patch["path"].strip("/").split("/")
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place[parent]
    if isinstance(place, list):
        assert (patch["op"], last) == ("add", "-")
        place.append(patch["value"])
    else:
        assert patch["op"] == "add" or (patch["op"] == "replace" and last in place)
        place[last] = patch["value"]


def artifacts(profiles: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Every image that is built, by its name."""
    listed = config_of(profiles)["build"]["artifacts"]
    assert len({each["image"] for each in listed}) == len(listed)
    return {each["image"]: each for each in listed}


def given(profiles: tuple[str, ...]) -> Config:
    """The values that the chart is installed with, each image named as its artifact is."""
    (release,) = config_of(profiles)["deploy"]["helm"]["releases"]
    assert (ROOT / release["chartPath"]).samefile(CHART)
    flat = dict(release["setValues"])
    for path, template in release["setValueTemplates"].items():
        (what, image) = re.fullmatch(r"{{\.IMAGE_(REPO|TAG)_(\w+)}}", template).groups()  # type: ignore[union-attr]
        name = image.replace("_", "-")
        assert name in artifacts(profiles), f"{path} names {name}, which is not built"
        flat[path] = f"built/{name}" if what == "REPO" else "dev"
    values: Config = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return values


def test_the_file_is_as_its_schema_says() -> None:
    jsonschema.validate(written(), SCHEMA)


@pytest.mark.parametrize(
    "path", ["/build/artifacts/0/docker/buildargs", "/deploy/helm/releases/0/setValue", "/builds"]
)
def test_a_field_that_skaffold_does_not_know_is_refused(path: str) -> None:
    config = written()
    _apply(config, {"op": "add", "path": path, "value": {}})
    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        jsonschema.validate(config, SCHEMA)


@EVERY_CHOICE
def test_every_artifact_has_a_dockerfile_that_takes_its_arguments(
    profiles: tuple[str, ...],
) -> None:
    built = artifacts(profiles)
    for artifact in built.values():
        path = ROOT / artifact["docker"]["dockerfile"]
        taken = set(re.findall(r"^ARG (\w+)", path.read_text("utf-8"), re.M))
        assert set(artifact["docker"]["buildArgs"]) <= taken
        lock = artifact["docker"]["buildArgs"].get("LOCK", "requirements.lock")
        assert path.with_name(lock).is_file() or path.parent.name == "arbiter"
        on_base = [{"image": "orfeon-runtime", "alias": "BASE"}] if "BASE" in taken else []
        # The base of Triton's is NVIDIA's, not ours.
        assert artifact.get("requires", []) == ([] if "triton" in artifact["image"] else on_base)


@EVERY_CHOICE
def test_what_is_installed_is_what_was_built(profiles: tuple[str, ...]) -> None:
    """No image of ours is left that would have to be pulled, but in Jobs that nobody asked for."""
    values = {**given(profiles), "networkPolicy": {"enabled": False}}
    deployments = of_kind(values, "Deployment")
    assert {"gateway", "chat", "emotion"} <= set(deployments)
    assert ("triton" in deployments) == ("triton" in profiles)
    for name, deployment in deployments.items():
        assert container(deployment)["image"] == f"built/orfeon-{name}:dev"


def test_gpus_have_the_images_and_the_profile_for_them() -> None:
    built = artifacts(("gpu",))
    locks = {name: each["docker"]["buildArgs"].get("LOCK") for name, each in built.items()}
    assert {name for name, lock in locks.items() if lock == "torch.lock"} == {
        "orfeon-speech", "orfeon-emotion", "orfeon-images",
    }  # fmt: skip
    cuda = {name for name, each in built.items() if each["docker"]["dockerfile"].endswith(".cuda")}
    assert cuda == {"orfeon-chat", "orfeon-lyrics"}
    assert locks["orfeon-emotion-train"] == "train.lock"
    for name in ("chat", "speech", "melody", "images"):
        limits = container(of_kind(given(("gpu",)), "Deployment")[name])["resources"]["limits"]
        assert limits["nvidia.com/gpu"] == 1


def test_every_lock_and_dockerfile_is_of_an_image_that_skaffold_builds() -> None:
    built = [each["docker"] for profiles in CHOICES for each in artifacts(profiles).values()]
    named = {ROOT / each["dockerfile"] for each in built}
    there = {*ROOT.glob("services/*/Dockerfile*"), *ROOT.glob("gateway/Dockerfile*")}
    assert there <= named
    locks = {
        (ROOT / each["dockerfile"]).with_name(each["buildArgs"].get("LOCK", "requirements.lock"))
        for each in built
    }
    texts = "".join(path.read_text("utf-8") for path in named)
    for lock in ROOT.glob("services/*/*.lock"):
        assert lock in locks or str(lock.relative_to(ROOT)) in texts, lock


def test_engines_are_fake_in_the_profile_for_laptops_alone() -> None:
    for profiles in CHOICES:
        chat = container(of_kind(given(profiles), "Deployment")["chat"])
        engines = [each["value"] for each in chat["env"] if each["name"] == "ORFEON_CHAT_ENGINE"]
        assert ("fake" in engines) == (profiles == ("dev",))
