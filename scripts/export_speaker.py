"""Makes `services/emotion/models/speaker-ge2e/encoder.onnx` of the weights that resemblyzer ships.

    pip install librosa && pip download --no-deps resemblyzer==0.1.4
    python scripts/export_speaker.py Resemblyzer-0.1.4-py3-none-any.whl

Weights are stored in 16 bits and computed with in 32. What comes out is compared with the original
network, and our spectrogram with librosa's, on the same random sound: both within 1e-3.
"""

import io
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from services.emotion.voiceprint import BANDS, FRAMES, spectrum  # noqa: E402

TARGET = ROOT / "services" / "emotion" / "models" / "speaker-ge2e" / "encoder.onnx"
SIZE, LAYERS = 256, 3
TOLERANCE = 1e-3


class Encoder(torch.nn.Module):  # type: ignore[misc]
    """Three LSTM layers, whose last state is projected (Wan et al. 2018, "GE2E")."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(BANDS, SIZE, LAYERS, batch_first=True)
        self.linear = torch.nn.Linear(SIZE, SIZE)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """Vectors of length 1, `(windows, SIZE)`, of spectra `(windows, FRAMES, BANDS)`."""
        _, (hidden, _) = self.lstm(spectra)
        raised = torch.relu(self.linear(hidden[-1]))
        return raised / torch.norm(raised, dim=1, keepdim=True)


def original(wheel: Path) -> "Encoder":
    """The network with the weights in a wheel of resemblyzer."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read("resemblyzer/pretrained.pt")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)["model_state"]
    encoder = Encoder()
    encoder.eval()
    encoder.load_state_dict({name: state[name] for name in encoder.state_dict()})
    return encoder


def exported(encoder: Encoder) -> onnx.ModelProto:
    """The network as ONNX, in 32 bits."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "encoder.onnx"
        torch.onnx.export(
            encoder,
            (torch.rand(2, FRAMES, BANDS),),
            str(path),
            input_names=["spectra"],
            output_names=["vectors"],
            dynamic_axes={"spectra": {0: "windows"}, "vectors": {0: "windows"}},
            opset_version=17,
            dynamo=False,
        )
        return onnx.load(path)


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same with its large weights in 16 bits, each widened again before it is used."""
    graph = model.graph
    casts = []
    for weights in graph.initializer:
        array = numpy_helper.to_array(weights)
        if array.dtype == np.float32 and array.size > SIZE:
            name = weights.name
            weights.CopyFrom(numpy_helper.from_array(array.astype(np.float16), name + "_half"))
            casts.append(
                helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT)
            )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def check(encoder: Encoder, data: bytes) -> None:
    """Raises `SystemExit` where ours is not what the original is."""
    random = np.random.default_rng(0)
    sound = (random.standard_normal((8, 16 * FRAMES * 10)) * 0.1).astype(np.float32)
    sound *= np.sin(np.linspace(0, 20, sound.shape[1])) ** 2
    ours = np.stack([spectrum(each) for each in sound])
    theirs: Any = np.stack(
        [
            librosa.feature.melspectrogram(
                y=each, sr=16_000, n_fft=400, hop_length=160, n_mels=BANDS
            ).T[:FRAMES]
            for each in sound
        ]
    )
    with torch.no_grad():
        expected = encoder(torch.from_numpy(theirs.astype(np.float32))).numpy()
    found = onnxruntime.InferenceSession(data).run(None, {"spectra": ours})[0]
    for what, off in (
        ("spectrogram", np.abs(ours - theirs).max() / np.abs(theirs).max()),
        ("vectors", np.abs(found - expected).max()),
    ):
        sys.stdout.write(f"{what}: off by at most {off:.1e}\n")
        if not off < TOLERANCE:
            raise SystemExit(f"The {what} differ from the original.")


def main() -> None:
    """See the module."""
    if len(sys.argv) != 2:
        raise SystemExit(str(__doc__))
    encoder = original(Path(sys.argv[1]))
    data = halved(exported(encoder)).SerializeToString()
    check(encoder, data)
    TARGET.write_bytes(data)
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {len(data)} bytes\n")


if __name__ == "__main__":
    main()
