"""Starts the training container: `python -m services.training`."""

import os

from services.training.process_runner import ProcessRunner
from services.training.runner import Runner
from services.training.server import run
from services.training.settings import TrainingSettings
from services.training.trainer import PACKAGES


def runner_of(settings: TrainingSettings) -> Runner:
    """What trainings run on."""
    if settings.runner == "kubernetes":
        # Its client takes as much memory as all else.
        from services.training.kubernetes_runner import KubernetesRunner

        return KubernetesRunner(settings.kubernetes, settings.home, settings.grace_seconds)
    return ProcessRunner(
        {**os.environ, "ORFEON_HOME": str(settings.home)},
        threads=settings.trainer_threads,
        grace=settings.grace_seconds,
        needed={} if settings.trainer else PACKAGES,
    )


if __name__ == "__main__":
    chosen = TrainingSettings()
    run(chosen, runner_of(chosen))
