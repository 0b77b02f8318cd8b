"""The public surface of the package."""

import subprocess
import sys

import orfeon


def test_all_holds_exactly_the_public_names() -> None:
    for name in orfeon.__all__:
        assert getattr(orfeon, name) is not None

    classes = (
        orfeon.Orfeon,
        orfeon.OrfeonError,
        orfeon.Voice,
        orfeon.Job,
        orfeon.MadeImage,
        orfeon.Turn,
        orfeon.Live,
    )
    homes = [cls.__module__ for cls in classes]
    public = {
        name
        for home in homes
        for name, value in vars(sys.modules[home]).items()
        if isinstance(value, type) and value.__module__ == home
    }
    assert public | {"__version__"} == set(orfeon.__all__)
    assert dir(orfeon) == sorted(orfeon.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(orfeon, "nonsense")


def test_importing_the_contracts_does_not_import_an_http_client() -> None:
    code = "import orfeon.api.models.v1, sys; assert 'httpx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
