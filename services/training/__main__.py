"""Starts the training container: `python -m services.training`."""

import os
import sys

from services.runtime.environment import settings_of
from services.training.process_runner import ProcessRunner
from services.training.runner import NoRunner, Runner
from services.training.server import run
from services.training.settings import TrainingSettings
from services.training.trainer import PACKAGES


def runner_of(settings: TrainingSettings) -> Runner:
    """What trainings run on. Raises `NoRunner`."""
    if settings.runner == "kubernetes":
        # Its client takes as much memory as all else.
        try:
            from services.training.kubernetes_runner import KubernetesRunner
        except ModuleNotFoundError as error:
            raise NoRunner(
                f"Jobs of Kubernetes need {error.name}: pip install 'orfeon[training]'."
            ) from error
        return KubernetesRunner(settings.kubernetes, settings.home, settings.grace_seconds)
    return ProcessRunner(
        {**os.environ, "ORFEON_HOME": str(settings.home)},
        threads=settings.trainer_threads,
        grace=settings.grace_seconds,
        needed={} if settings.trainer else PACKAGES,
    )


if __name__ == "__main__":
    chosen = settings_of(TrainingSettings)
    try:
        runner = runner_of(chosen)
    except NoRunner as missing:
        sys.exit(str(missing))
    run(chosen, runner)
