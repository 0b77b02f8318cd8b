"""The capability containers, one package each, and the runtime they share."""

import os

# ONNX Runtime tells its maker about machine and models, by way of a file on the disk, unless this
# was said before it is imported. Nothing of ours is imported before this package.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
