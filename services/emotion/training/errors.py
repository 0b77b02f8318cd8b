"""How training fails."""


class TrainingError(Exception):
    """What keeps a training from starting or ending well: a sentence that says what to change."""


class Misuse(TrainingError):
    """What was asked for cannot be done: options that do not fit, data that does not do."""


class Interrupted(Exception):
    """The training was told to stop, and has left a checkpoint of `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step
