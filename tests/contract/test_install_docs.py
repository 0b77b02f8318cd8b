"""Commands that install, on every page: what they build is what they have installed."""

import re

from tests.contract.chart import ROOT

PAGES = [ROOT / "README.md", ROOT / "charts" / "orfeon" / "README.md", *ROOT.glob("docs/*.md")]


def commands(program: str) -> list[str]:
    """Those that begin so, in blocks of consoles, each in one line."""
    blocks = (
        block.replace("\\\n", " ")
        for page in PAGES
        for block in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    )
    return [line for block in blocks for line in block.splitlines() if program in line]


def test_images_are_pushed_under_a_tag_that_is_named() -> None:
    """skaffold.yaml pushes none by itself, and calls them by the commit."""
    found = commands("skaffold build")
    assert len(found) > 2
    assert [each for each in found if "--tag" not in each or "--push" not in each] == []


def test_who_names_the_registry_names_the_tag() -> None:
    found = [each for each in commands("helm install orfeon") if "image.registry=" in each]
    assert len(found) > 2
    assert [each for each in found if "image.tag=" not in each] == []


def test_charts_of_others_are_found_without_more() -> None:
    found = commands("helm install traefik")
    assert len(found) > 1
    assert [each for each in found if "--repo" not in each] == []
