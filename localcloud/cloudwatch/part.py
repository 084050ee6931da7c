"""CloudWatch as a part of the local cloud."""

from __future__ import annotations

from collections.abc import Mapping

from localcloud.cloudwatch.alarms import Evaluator
from localcloud.cloudwatch.backend import Backend
from localcloud.parts import Fault
from localcloud.seams_compute import replace_cloudwatch
from localcloud.state import Instance


class Part:
    """Metrics and alarms of one instance."""

    name = "cloudwatch"
    services = frozenset({"monitoring"})
    faults: Mapping[str, Fault] = {}

    def __init__(self) -> None:
        self._evaluator = Evaluator()

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
        """Nothing lasts."""


PART = Part()
