"""What a process that is started with our variables does."""

import os
import subprocess
import sys

from services.runtime.threads import PATIENT

_COUNT = """
import numpy, threadpoolctl
[blas] = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]
print(blas["num_threads"])
"""


def test_numpy_has_one_thread_however_many_openmp_has() -> None:
    environment = {**os.environ, **PATIENT, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
