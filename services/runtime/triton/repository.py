"""Folders of a model repository: one made of another, for another model."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from services.runtime.errors import InvalidRequest

CONFIG, VERSION = "config.pbtxt", "1"

_HEADER = "# Made by 'orfeon models export' of the folder {template}; comments are there.\n"


def copy_template(
    template: Path,
    folder: Path,
    name: str,
    parameters: Mapping[str, str],
    dims: Mapping[str, Sequence[int]],
) -> None:
    """Makes `folder` what the folder `template` is, but the model's name, some of its parameters
    and the shapes of some outputs. Files of weights are left out.

    Raises `InvalidRequest` for a template whose configuration cannot be read.
    """
    try:
        text = (template / CONFIG).read_text("utf-8")
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{template / CONFIG} is no configuration: {error}") from error
    config.name = name
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    for output in config.output:
        if output.name in dims:
            output.dims[:] = dims[output.name]
    shutil.copytree(
        template,
        folder,
        ignore=shutil.ignore_patterns("__pycache__", "*.onnx*"),
        dirs_exist_ok=True,
    )
    said = text_format.MessageToString(config)
    (folder / CONFIG).write_text(_HEADER.format(template=template.name) + said, "utf-8")
    (folder / VERSION).mkdir(exist_ok=True)
