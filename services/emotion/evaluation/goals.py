"""What the models that come with Orfeón promise, and whether they keep it."""

from collections.abc import Sequence

from services.emotion.evaluation.conditions import NOISE
from services.emotion.evaluation.result import Goal, Result
from services.emotion.evaluation.robustness import at

#: The evaluations that promises are about, by their names.
SIX_LABELS, EIGHT_LABELS, OTHER_CORPUS = "speakers-six", "speakers-eight", "corpus"

#: The least accuracy of each. Of another language 0.57 is the figure of the thesis that this
#: service continues.
ACCURACY = {SIX_LABELS: 0.76, EIGHT_LABELS: 0.70, OTHER_CORPUS: 0.57}
#: How much accuracy may fall in noise this far below the voice, dB.
SNR, FALL = 10.0, 0.10
CALIBRATION_ERROR = 0.08


def goals(results: Sequence[Result]) -> list[Goal]:
    """One for each promise about these results."""
    by_name = {result.about.name: result for result in results}
    found = [
        Goal(
            f"accuracy: {by_name[name].about.title}",
            f"at least {least:.2f}",
            f"{by_name[name].figures.accuracy:.3f}",
            by_name[name].figures.accuracy >= least,
        )
        for name, least in ACCURACY.items()
    ]
    six = by_name[SIX_LABELS]
    if noisy := at(six.robustness, NOISE, SNR):
        fall = noisy.clean - noisy.accuracy
        found.append(
            Goal(
                f"fall of accuracy in noise {SNR:g} dB below the voice, all kinds",
                f"at most {FALL:.2f}",
                f"{fall:.3f}",
                fall <= FALL,
            )
        )
    error = six.calibration.after.error
    found.append(
        Goal(
            "expected calibration error on voices never heard",
            f"under {CALIBRATION_ERROR:.2f}",
            f"{error:.3f}",
            error < CALIBRATION_ERROR,
        )
    )
    return found
