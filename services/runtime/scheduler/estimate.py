"""How long turns take: learned from those that have ended."""

from services.runtime.scheduler.ticket import Ticket, cost_of

#: Weight of the newest turn in the running mean.
_NEW = 0.2

#: Seconds, before any turn has ended.
_GUESS = 1.0


class Estimates:
    """Seconds per unit of cost, by model; for a model never seen, seconds per turn of any."""

    def __init__(self) -> None:
        self._per_cost: dict[str, float] = {}
        self._per_turn: float | None = None

    def learn(self, ticket: Ticket, seconds: float) -> None:
        """A turn took so long. Negative times, of a clock that jumped, teach nothing.

        The rate is by what the ticket said it would cost, since that is all that will be known of
        the next.
        """
        if seconds < 0:
            return
        rate = seconds / cost_of(ticket)
        before = self._per_cost.get(ticket.model, rate)
        self._per_cost[ticket.model] = before + _NEW * (rate - before)
        mean = seconds if self._per_turn is None else self._per_turn
        self._per_turn = mean + _NEW * (seconds - mean)

    def of(self, ticket: Ticket) -> float:
        """Seconds that a turn will take."""
        return self.total(ticket.model, 1, cost_of(ticket))

    def total(self, model: str, count: int, cost: float) -> float:
        """Seconds that some turns with one model will take together."""
        rate = self._per_cost.get(model)
        if rate is not None:
            return rate * cost
        return count * (_GUESS if self._per_turn is None else self._per_turn)

    def left(self, ticket: Ticket, elapsed: float) -> float:
        """Seconds that a turn will still take; one that has outlived its estimate may as well
        take as long again."""
        return max(self.of(ticket) - elapsed, 0.0) or elapsed
