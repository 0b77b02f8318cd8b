"""How an evaluation fails."""


class EvaluationError(Exception):
    """What keeps an evaluation from starting or ending well: a sentence on what to change."""
