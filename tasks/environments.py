"""Where a release goes: the environment's file, and the platform that Terraform wrote to SSM."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from decisions.environment import Environment
from decisions.errors import BadConfiguration, NotFound
from tasks import aws, toml_file
from tasks.effect import effect
from tasks.settings import Settings
from tasks.topology import Platform, ServiceNames, SideNames

__all__ = ["Platform", "ServiceNames", "SideNames", "find_platform", "known_environments", "read_environment"]


def known_environments() -> tuple[str, ...]:
    """Names of the environments that have a file, sorted."""
    files = Settings().environments_dir.glob("*.toml")
    return tuple(sorted(path.stem for path in files if "." not in path.stem))


def read_environment(name: str) -> Environment:
    """The environment as configured, with the overlay of `DELIVERY_OVERLAY` laid over it.

    Raises:
        NotFound: There is no such environment; lists the known ones.
        BadConfiguration: A file, key or value is wrong; names file, line and key.
    """
    if name not in (known := known_environments()):
        seen = f"no such environment, there are {', '.join(known) or 'none'}"
        raise NotFound(f"environment {name!r}", seen, do=f"name one of these or add {name}.toml")
    files = _files(name)
    content = toml_file.load(files[0])
    for overlay in files[1:]:
        content = toml_file.merged(content, toml_file.load(overlay))
    try:
        environment = Environment.model_validate(content)
    except ValidationError as error:
        raise _bad(error, files) from error
    if environment.name != name:
        seen = f"name is {environment.name!r} in a file called {files[0].name}"
        raise BadConfiguration(files[0].name, seen, do="make both the same")
    return environment


def _files(name: str) -> list[Path]:
    settings = Settings()
    files = [settings.environments_dir / f"{name}.toml"]
    if settings.overlay:
        files.append(settings.environments_dir / f"{name}.{settings.overlay}.toml")
    if not files[-1].exists():
        seen = f"DELIVERY_OVERLAY={settings.overlay} asks for {files[-1].name}, which does not exist"
        raise BadConfiguration(files[-1].name, seen, do="write it, or unset DELIVERY_OVERLAY")
    return files


def _bad(error: ValidationError, files: list[Path]) -> BadConfiguration:
    first, *others = (_problem(problem, files) for problem in error.errors())
    seen = "; ".join([first[1], *(f"{where}: {what}" for where, what in others)])
    return BadConfiguration(first[0], seen, do=f"correct {files[0].parent / first[0].split()[0]}")


def _problem(problem: ErrorDetails, files: list[Path]) -> tuple[str, str]:
    location = problem["loc"]
    # The overlay is laid last: where both have the key, its value is the one that was refused.
    candidates = [(toml_file.line_of(path, location), path) for path in reversed(files)]
    (line, _), path = max(candidates, key=lambda found: found[0][1])
    path = path if line else files[0]
    where = path.name + (f" line {line}" if line else "")
    key = ".".join(str(part) for part in location) or "the whole file"
    given = "" if problem["type"] == "missing" or not location else f", got {problem['input']!r}"
    return where, f"{key}: {problem['msg']}{given}"


@effect("find platform", retries=2)
def find_platform(name: str) -> Platform:
    """The names and ARNs of everything a release touches in this environment.

    Returns:
        Platform: as Terraform wrote it to SSM under /<project>/<environment>/.

    Raises:
        NotFound: A parameter is missing: Terraform was not applied, or the service is not in it.
        CloudError: SSM could not be read.
    Safe to repeat: only reads.
    """
    environment = read_environment(name)
    prefix = f"/{environment.project}/{name}/"
    pages = aws.client("ssm").get_paginator("get_parameters_by_path")
    found: dict[str, str] = {}
    with aws.translated(f"{name}: reading the platform under {prefix}"):
        for page in pages.paginate(Path=prefix, Recursive=True, WithDecryption=True):
            found |= {item["Name"].removeprefix(prefix): item["Value"] for item in page["Parameters"]}
    parameters = _Parameters(prefix, found)
    return Platform(
        environment=environment,
        cluster=parameters["ecs/cluster"],
        ledger_table=parameters["ledger/table"],
        load_balancer=parameters["alb/load_balancer"],
        url=parameters["alb/url"].rstrip("/"),
        test_url=parameters["alb/test_url"].rstrip("/"),
        subnets=parameters.several("network/subnets"),
        security_groups=parameters.several("network/security_groups"),
        services={service: _service(parameters, service) for service in environment.services},
    )


class _Parameters:
    """Parameters by name below the prefix; a missing one is an error that names it."""

    def __init__(self, prefix: str, found: dict[str, str]) -> None:
        self._prefix, self._found = prefix, found

    def __getitem__(self, name: str) -> str:
        if name not in self._found:
            seen = f"SSM parameter {self._prefix}{name} is missing ({len(self._found)} others are there)"
            raise NotFound(f"platform {self._prefix}", seen, do="apply Terraform to this environment")
        return self._found[name]

    def several(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self[name].split(",") if part.strip())


def _service(parameters: _Parameters, name: str) -> ServiceNames:
    at = f"services/{name}"
    return ServiceNames(
        name=name,
        rule_arn=parameters[f"{at}/rule_arn"],
        test_rule_arn=parameters[f"{at}/test_rule_arn"],
        repository=parameters[f"{at}/repository"],
        template_family=parameters[f"{at}/template_family"],
        family=parameters[f"{at}/family"],
        container=parameters[f"{at}/container"],
        port=int(parameters[f"{at}/port"]),
        blue=_side(parameters, f"{at}/blue"),
        green=_side(parameters, f"{at}/green"),
    )


def _side(parameters: _Parameters, at: str) -> SideNames:
    arn = parameters[f"{at}/target_group_arn"]
    return SideNames(
        service=parameters[f"{at}/service"], target_group_arn=arn, target_group=arn.rsplit(":", 1)[-1]
    )
