"""Memory as the scheduler sees it, without any."""

from collections.abc import Mapping

from services.runtime.urgency import Urgency


class FakeModels:
    """Models that come and go when told. `ready` None means that every model is in memory."""

    def __init__(self, ready: set[str] | None = None) -> None:
        self.ready = ready
        self.seconds = 0.0
        self.holds: dict[str, int] = {}
        self.demanded: Mapping[str, Urgency] = {}

    def is_ready(self, model: str) -> bool:
        return self.ready is None or model in self.ready

    def load_seconds(self, model: str) -> float:
        return 0.0 if self.is_ready(model) else self.seconds

    def hold(self, model: str) -> None:
        assert self.is_ready(model)
        self.holds[model] = self.holds.get(model, 0) + 1

    def release(self, model: str) -> None:
        self.holds[model] -= 1
        if not self.holds[model]:
            del self.holds[model]

    def demand(self, wanted: Mapping[str, Urgency]) -> None:
        self.demanded = wanted
