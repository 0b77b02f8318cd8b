"""llama.cpp's own server, as the wheel `xllamacpp` embeds it, in an environment of its own.

`python bench/language/peer.py WEIGHTS PORT THREADS SLOTS CONTEXT` serves until it is told to end.
"""

import signal
import sys

import xllamacpp


def main() -> None:
    """Starts the server and waits."""
    weights, port, threads, slots, context = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.port = int(port)
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
    params.n_parallel = int(slots)
    params.n_ctx = int(context)
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
