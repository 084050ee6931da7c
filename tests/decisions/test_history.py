import dataclasses

import pytest
from small_world import NEW, OLD, images, release

from decisions.errors import NotFound, Refused
from decisions.history import require_staging_evidence, rollback_target, same_images
from decisions.release import LastGood, State

SERVING_NEW = {"backend": NEW, "web": NEW}


def good(digest: str) -> dict[str, LastGood]:
    return {
        image.service: LastGood(image.service, image, "td", "r0", 1.0) for image in images(digest, digest[7:])
    }


def test_a_version_that_never_passed_is_left_for_last_good() -> None:
    assert rollback_target("production", SERVING_NEW, good(OLD), []) == images(OLD, "old")


def test_from_last_good_a_rollback_goes_to_the_good_release_before_it() -> None:
    history = [
        release(images=images(NEW, "3"), state=State.SUCCEEDED),
        release(images=images("sha256:bad", "2"), state=State.ROLLED_BACK),
        release(images=images(OLD, "1"), state=State.SUCCEEDED),
    ]
    assert rollback_target("production", SERVING_NEW, good(NEW), history) == images(OLD, "1")


def test_without_an_earlier_good_release_a_rollback_is_refused() -> None:
    with pytest.raises(NotFound, match="no earlier good release"):
        rollback_target("production", SERVING_NEW, good(NEW), [release(state=State.ROLLED_BACK)])


def test_production_takes_only_what_staging_proved_recently() -> None:
    proof = release(environment="staging", state=State.SUCCEEDED, ended=100.0)
    assert require_staging_evidence(images(), [proof], now=150.0, max_age_s=60) is proof
    with pytest.raises(Refused, match=r"the newest is 0\.0 h old"):
        require_staging_evidence(images(), [proof], now=161.0, max_age_s=60)


def test_staging_proves_only_the_very_same_digests() -> None:
    proof = release(environment="staging", state=State.SUCCEEDED, ended=100.0, images=images(OLD))
    with pytest.raises(Refused, match="there is none"):
        require_staging_evidence(images(NEW), [proof], now=101.0, max_age_s=60)


def test_the_same_images_under_another_version_name_are_the_same() -> None:
    renamed = [dataclasses.replace(image, version="x") for image in images()]
    assert same_images(images(), reversed(renamed))
    assert not same_images(images(), images(OLD))
