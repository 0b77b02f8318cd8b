"""Starts the images container: `python -m services.images`."""

from pathlib import Path

import grpc

from orfeon.api.images.v1 import images_pb2, images_pb2_grpc
from services.images.engine import Painter
from services.images.fake_engine import FakeImagesEngine
from services.images.servicer import ImagesServicer
from services.images.settings import ImagesSettings
from services.images.store import ImageStore
from services.runtime.environment import settings_of
from services.runtime.host import Engine, ModelHost
from services.runtime.server import Capability, run


def diffusers(settings: ImagesSettings) -> Engine[Painter]:
    """The engine for pipelines of diffusers."""
    from services.images.diffusers_engine import diffusers

    return diffusers(settings)


def triton(settings: ImagesSettings) -> Engine[Painter]:
    """The engine for painters that a Triton server has."""
    from services.images.triton_engine import triton

    return triton(settings)


def register(server: grpc.aio.Server, host: ModelHost[Painter], settings: ImagesSettings) -> None:
    """Adds the servicer."""
    store = ImageStore(
        settings.home / "images",
        seconds=settings.url_seconds,
        most_bytes=settings.url_bytes,
        share=settings.url_share,
    )
    servicer = ImagesServicer(host, store, settings)
    images_pb2_grpc.add_ImagesServiceServicer_to_server(servicer, server)


IMAGES: Capability[Painter, ImagesSettings] = Capability(
    name="images",
    service=images_pb2.DESCRIPTOR.services_by_name["ImagesService"].full_name,
    models=Path(__file__).parent / "models",
    engines={
        "diffusers": diffusers,
        "triton": triton,
        "fake": lambda _settings: FakeImagesEngine(),
    },
    register=register,
)

if __name__ == "__main__":
    run(IMAGES, settings_of(ImagesSettings))
