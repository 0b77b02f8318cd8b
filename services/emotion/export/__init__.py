"""Makes the ONNX file of a classifier of transformers, for a Triton server."""
