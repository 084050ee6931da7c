"""What the ledger's history allows: what to go back to, and what staging has proved."""

from __future__ import annotations

from collections.abc import Iterable

from decisions.errors import NotFound, Refused
from decisions.release import Image, LastGood, Release, State


def same_images(one: Iterable[Image], two: Iterable[Image]) -> bool:
    """Whether two releases carry exactly the same digests for the same services."""
    return _digests(one) == _digests(two)


def _digests(images: Iterable[Image]) -> dict[str, str]:
    return {image.service: image.digest for image in images}


def rollback_target(
    environment: str, serving: dict[str, str], last_good: dict[str, LastGood], history: Iterable[Release]
) -> tuple[Image, ...]:
    """Images to go back to: last good where something else serves, else the good release before it.

    Never "revision N-1", which may have been a bad build (ecs-deploy#8).

    Args:
        environment: Name, for the message.
        serving: Digest that serves now, by service.
        last_good: As recorded, by service.
        history: Release records, newest first.

    Raises:
        NotFound: Nothing that ever passed its bake differs from what serves now.
    """
    goods = tuple(good.image for name, good in sorted(last_good.items()) if name in serving)
    if goods and any(serving[good.service] != good.digest for good in goods):
        return goods
    current = {good.service: good.digest for good in goods}
    for release in history:
        if release.state is not State.SUCCEEDED or not set(_digests(release.images)) <= set(serving):
            continue
        if any(current.get(image.service) != image.digest for image in release.images):
            return release.images
    raise NotFound(
        environment,
        f"no earlier good release is recorded ({len(goods)} services have a last good, and it serves)",
        do="release a version instead",
    )


def require_staging_evidence(
    images: tuple[Image, ...], history: Iterable[Release], now: float, max_age_s: float
) -> Release:
    """The staging release that proves these very images.

    Raises:
        Refused: No succeeded staging release of these digests is younger than `max_age_s`.
    """
    ages = []
    for release in history:
        if release.state is State.SUCCEEDED and same_images(release.images, images):
            age_s = now - (release.ended or release.started)
            if age_s <= max_age_s:
                return release
            ages.append(age_s)
    found = f"the newest is {min(ages) / 3600:.1f} h old" if ages else "there is none"
    raise Refused(
        "production",
        f"these images need a succeeded staging release younger than {max_age_s / 3600:g} h, and {found}",
        do="release the version to staging first",
    )
