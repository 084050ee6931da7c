"""The only place that knows how moto is built inside; checked at start, so that another moto fails loudly.

A service is emulated by a subclass of moto's backend, put in place before first use. Two rules of moto's:
it finds `urls.py` through the class's `__module__`, and its response classes pass some arguments by keyword,
so overriding methods keep the parameter names. Attributes set on moto's objects are answered under the API
member of the same name in snake_case.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from typing import Any

from localcloud import REGION
from localcloud.errors import LocalCloudError

MOTO_VERSION = "5.2.5"

# Read by moto when it is imported: a thousand AMIs that nobody here asks for, and headers for browsers.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")


def _without_offerings_of_other_regions() -> None:
    """Moto reads the EC2 instance types of every region when it imports ec2: 0.5 s, 120 MB, not used here."""
    from moto.utilities import utils  # noqa: PLC0415  # the order of imports is the point

    original = utils.load_resource

    def load_resource(resource: str) -> Any:
        elsewhere = "instance_type_offerings" in resource and REGION not in resource
        return [] if elsewhere else original(resource)

    utils.load_resource = load_resource


_without_offerings_of_other_regions()

from botocore.exceptions import UnknownServiceError  # noqa: E402
from moto.core.base_backend import BackendDict  # noqa: E402
from moto.core.exceptions import ServiceException  # noqa: E402
from moto.core.responses import ActionResult, BaseResponse, EmptyResult, PaginatedResult  # noqa: E402
from moto.core.utils import get_service_model  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

__all__ = [
    "ActionResult",
    "BackendDict",
    "BaseResponse",
    "DomainDispatcherApplication",
    "EmptyResult",
    "MotoRequestHandler",
    "PaginatedResult",
    "ServiceException",
    "create_backend_app",
    "errors_of",
    "expect",
    "expect_version",
    "replace",
    "signing_name",
    "swap_backend",
    "tell",
    "warm",
]


def expect_version() -> None:
    """Moto is the version these seams were written against.

    Raises:
        LocalCloudError: it is another one.
    """
    if version("moto") != MOTO_VERSION:
        raise LocalCloudError(
            "moto",
            f"version {version('moto')} is installed, {MOTO_VERSION} is needed",
            do="install the locked requirements (make test does it)",
        )


def expect(function: Callable[..., Any], parameters: Iterable[str]) -> None:
    """Moto's function takes these parameters by these names.

    Raises:
        LocalCloudError: it does not, so an override would be called with arguments it does not know.
    """
    missing = set(parameters) - set(inspect.signature(function).parameters)
    if missing:
        raise LocalCloudError(
            f"moto {MOTO_VERSION}",
            f"{function.__qualname__} has no parameter {', '.join(sorted(missing))}",
            do="compare localcloud/seams.py with the installed moto",
        )


@cache
def errors_of(service: str) -> type[Exception]:
    """The class of that service's AWS errors, raised as `errors_of("ecr")(code, message)`.

    Moto finds the service's model, and so the HTTP status of the code, through the module of the class.
    """
    return type("ServiceError", (ServiceException,), {"__module__": f"moto.{service}.exceptions"})


WARMED = (
    "ec2",
    "iam",
    "s3",
    "ssm",
    "secretsmanager",
    "dynamodb",
    "logs",
    "ecr",
    "ecs",
    "elbv2",
    "rds",
    "elasticache",
)


def warm(dispatcher: Any) -> None:
    """First calls are as fast as later ones: reading the API model of a service takes up to 0.5 s."""
    for service in WARMED:
        get_service_model(service)
        with dispatcher.lock:
            if service not in dispatcher.app_instances:
                dispatcher.app_instances[service] = create_backend_app(service)  # type: ignore[arg-type]  # moto lists every name


def signing_name(service: str) -> str:
    """Name in the credential scope of the service that boto3 calls so.

    Raises:
        LookupError: boto3 knows no such service.
    """
    try:
        return str(get_service_model(service).signing_name)
    except UnknownServiceError:
        raise LookupError(service) from None


def replace(owner: object, name: str, value: object) -> None:
    """`owner`'s attribute of that name, which moto has, is `value`.

    Raises:
        LocalCloudError: moto has no such attribute.
    """
    if not hasattr(owner, name):
        raise LocalCloudError(f"moto {MOTO_VERSION}", f"{owner!r} has no attribute {name}")
    setattr(owner, name, value)


def tell(thing: object, **members: object) -> None:
    """Answers about that object of moto's carry these members, named in snake_case."""
    for name, value in members.items():
        setattr(thing, name, value)


def swap_backend(backends: BackendDict[Any], replacement: type[Any]) -> None:
    """New regions of that service are instances of `replacement`, whose overrides keep moto's parameters.

    Raises:
        LocalCloudError: an override's parameters differ from moto's, or the service was used already.
    """
    original = backends.backend
    for name, override in vars(replacement).items():
        ours = override if inspect.isfunction(override) else None
        theirs = getattr(original, name, None)
        if ours and inspect.isfunction(theirs) and not name.startswith("__"):
            _same_parameters(theirs, ours)
    if backends:
        raise LocalCloudError(original.__module__, "is in use already, so it cannot be replaced")
    replacement.__module__ = original.__module__
    backends.backend = replacement


def _same_parameters(theirs: Callable[..., Any], ours: Callable[..., Any]) -> None:
    mine = inspect.signature(ours).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in mine):
        expect(theirs, [p.name for p in mine if p.kind is p.POSITIONAL_OR_KEYWORD])
        return
    if [p.name for p in mine] != list(inspect.signature(theirs).parameters):
        raise LocalCloudError(
            f"moto {MOTO_VERSION}",
            f"{theirs.__qualname__}{inspect.signature(theirs)} is not what {ours.__qualname__} overrides",
            do="compare the override with the installed moto",
        )
