"""How many threads engines and libraries may use, and how idle threads wait."""

import os

#: Without these, threads of an OpenMP library spin while they wait for one another; on a machine
#: whose cores are all busy one decoding step then goes from 30 ms to a second. Some twenty
#: microseconds of spinning are in order: not to spin at all makes every wait, of which a step has
#: hundreds, one of the operating system, and halves the speed of two threads. GNU's library does
#: not spin at all where several models make more threads than there are cores, unless the policy is
#: active; what active means is said by the number. Of LLVM's KMP_BLOCKTIME says the same.
#: NumPy's OpenBLAS has threads of its own, which spin whatever is said; our matrices are too small
#: for two, which take a clip of speech from 25 ms of processor time to 58. It reads the variable
#: when NumPy is imported, so that it has to be there before the process is. Engines' own numbers
#: are OpenMP's, and stay.
PATIENT = {
    "OMP_WAIT_POLICY": "ACTIVE",
    "GOMP_SPINCOUNT": "1000",
    "KMP_BLOCKTIME": "0",
    "OPENBLAS_NUM_THREADS": "1",
}


def wait_patiently() -> None:
    """Sets the variables above where the environment does not; before any model library loads."""
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)


def per_slot(threads: int, slots: int) -> int:
    """Threads for one request: `threads`, or for 0 an equal share of this process's cores."""
    return threads or max(1, len(os.sched_getaffinity(0)) // slots)
