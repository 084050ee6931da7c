"""Where a release goes: the seed's `DeploymentEnvironment`, as read from deployments/environments/*.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Unknown keys are errors: a misspelt key must never be a silently dropped setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretRef(Frozen):
    """Name of a secret in AWS Secrets Manager and the JSON key inside it. Never the value."""

    name: str
    key: str


class Monitoring(Frozen):
    """Where people look while and after a release."""

    grafana_url: Url | None = None
    prometheus_url: Url | None = None
    kibana_url: Url | None = None


class Scaling(Frozen):
    """Bounds that autoscaling keeps; a first release starts `min_instances`."""

    min_instances: int = Field(ge=1, le=100)
    max_instances: int = Field(ge=1, le=1000)
    target_cpu_utilization_pct: int = Field(ge=10, le=95)

    @model_validator(mode="after")
    def _ordered(self) -> Scaling:
        if self.min_instances > self.max_instances:
            raise ValueError(
                f"min_instances {self.min_instances} is above max_instances {self.max_instances}"
            )
        return self


class SmokeCheck(Frozen):
    """One request that must be answered as expected before any user meets the candidate."""

    path: str = Field(pattern=r"^/")
    status: int = Field(default=200, ge=100, le=599)
    contains: str = ""


class Service(Frozen):
    """One deployable service of the application (see app/contract.md)."""

    context: str
    dockerfile: str = "Dockerfile"
    version_path: str = Field(pattern=r"^/")
    after: tuple[Name, ...] = ()
    migrate: tuple[str, ...] = ()
    smoke: tuple[SmokeCheck, ...] = Field(min_length=1)
    scaling: Scaling | None = None


class ReleasePolicy(Frozen):
    """How carefully traffic moves. Durations in seconds."""

    steps_pct: tuple[int, ...] = (5, 25, 50, 100)
    bake_s: Seconds = 300
    look_s: Seconds = 60
    warm_s: Seconds = 600
    healthy_timeout_s: Seconds = 600
    drain_timeout_s: Seconds = 330
    poll_s: Annotated[float, Field(gt=0, le=60)] = 5
    lease_s: Annotated[float, Field(gt=1, le=3600)] = 120
    metrics_period_s: int = Field(default=60, ge=1, le=3600)
    metrics_delay_s: Seconds = 120
    min_requests: int = Field(default=200, ge=1)
    probes_per_look: int = Field(default=20, ge=0, le=1000)
    max_error_rate: Share = 0.05
    min_error_increase: Share = 0.002
    false_alarm_rate: Share = 0.01
    max_latency_ratio: Annotated[float, Field(gt=1)] = 2.0
    min_latency_s: Seconds = 0.1
    inconclusive_looks: int = Field(default=3, ge=0)
    staging_evidence_max_age_s: Seconds = 86_400

    @model_validator(mode="after")
    def _climbs_to_all(self) -> ReleasePolicy:
        steps = self.steps_pct
        if not steps or steps[-1] != 100 or list(steps) != sorted(set(steps)) or steps[0] < 1:  # noqa: PLR2004
            raise ValueError(f"steps_pct must climb from at least 1 to 100, got {list(steps)}")
        return self


class Environment(Frozen):
    """One environment. Resource names and ARNs are not here: Terraform writes them to SSM."""

    project: Name
    name: Literal["staging", "production"]
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    domain: str
    api_url: Url
    cdn_domain: str
    database: SecretRef
    redis: SecretRef
    s3_bucket: str
    monitoring: Monitoring = Monitoring()
    scaling: Scaling
    approvers: tuple[str, ...] = ()
    gate_timeout_s: Annotated[float, Field(ge=1, le=30 * 86_400)] = 7 * 86_400
    policy: ReleasePolicy = ReleasePolicy()
    services: dict[Name, Service] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_order(self) -> Environment:
        for name, service in self.services.items():
            if unknown := set(service.after) - set(self.services):
                raise ValueError(f"services.{name}.after names unknown services: {sorted(unknown)}")
        return self
