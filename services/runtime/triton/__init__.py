"""Models that a Triton server computes: the service's end, and the server's.

The service's end: an `Engine` (`triton_engine.py`) whose models are loaded and unloaded there, each
called through a `TritonServer` (`server.py`). The server's end: what the Python models of
`triton-repo/` are made of (`python_model.py`).
"""
