"""CloudWatch as a part of the local cloud."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from localcloud.cloudwatch.alarms import Evaluator
from localcloud.cloudwatch.backend import FROZEN, Backend
from localcloud.parts import Fault
from localcloud.seams_compute import replace_cloudwatch
from localcloud.state import Instance


class Part:
    """Metrics and alarms of one instance."""

    name = "cloudwatch"
    services = frozenset({"monitoring"})

    def __init__(self) -> None:
        self._evaluator = Evaluator()

    @property
    def faults(self) -> Mapping[str, Fault]:
        """`break metrics`: from now on no metric has new data."""
        return {"metrics": _freeze}

    def install(self) -> None:
        """Requests to CloudWatch are served by our backend."""
        replace_cloudwatch(Backend)

    def start(self, _instance: Instance) -> None:
        """Alarms are evaluated."""
        self._evaluator.start()

    def stop(self) -> None:
        """Alarms are not evaluated any more."""
        self._evaluator.stop()

    def mend(self) -> None:
        """What happened meanwhile is seen too."""
        FROZEN.at = math.inf


def _freeze(_target: str) -> str:
    FROZEN.at = time.time()
    return "metrics: no metric has data from now on, until mended"


PART = Part()
