"""`make bench`: everything, or parts, `python -m bench PART...`."""

import sys
from pathlib import Path

from bench import (
    emotion,
    gateway,
    musicgen,
    overhead,
    product,
    rpc,
    sharing,
    soak,
    songs,
    triton,
    wav2vec2,
)
from bench.language import suite

LITELLM = Path(sys.prefix + "-litellm") / "bin" / "litellm"

if __name__ == "__main__":
    parts = sys.argv[1:] or [
        "product",
        "gateway",
        "grpc",
        "language",
        "sharing",
        "overhead",
        "emotion",
        "soak",
        "songs",
        "musicgen",
        "wav2vec2",
        "triton",
    ]
    if "product" in parts:
        product.main()
    if "gateway" in parts:
        gateway.main(LITELLM)
    if "grpc" in parts:
        rpc.main()
    if "language" in parts:
        suite.main()
    if "sharing" in parts:
        sharing.main()
    if "overhead" in parts:
        overhead.main()
    if "emotion" in parts:
        emotion.main()
    if "soak" in parts:
        soak.main()
    if "songs" in parts:
        songs.main()
    if "musicgen" in parts:
        musicgen.main()
    if "wav2vec2" in parts:
        wav2vec2.main()
    if "triton" in parts:
        triton.main()
