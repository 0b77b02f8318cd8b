"""The dashboards, one module each."""

from orfeon.slo.dashboards.accelerators import ACCELERATORS
from orfeon.slo.dashboards.business import BUSINESS
from orfeon.slo.dashboards.capability import CAPABILITY
from orfeon.slo.dashboards.edge import EDGE
from orfeon.slo.dashboards.overview import OVERVIEW
from orfeon.slo.dashboards.queue import QUEUE
from orfeon.slo.panels import Dashboard

__all__ = ["DASHBOARDS"]

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, CAPABILITY, QUEUE, ACCELERATORS, EDGE, BUSINESS)
