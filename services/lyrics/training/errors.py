"""How training fails."""


class TrainingError(Exception):
    """What keeps a training from starting or ending well: a sentence that says what to change."""
