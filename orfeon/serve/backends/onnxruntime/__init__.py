"""Stands in for Triton's ONNX Runtime backend, so that its models load unchanged."""
