import pytest
from small_world import POLICY, environment

from decisions.errors import BadConfiguration, NotFound
from decisions.planning import planned_looks, waves


def test_services_without_an_order_move_together() -> None:
    assert waves(environment(), ["web", "backend"]) == (("backend", "web"),)


def test_a_service_moves_after_those_it_comes_after() -> None:
    assert waves(environment({"backend": ("web",)}), ["web", "backend"]) == (("web",), ("backend",))


def test_an_order_on_a_service_that_is_not_released_is_ignored() -> None:
    assert waves(environment({"backend": ("web",)}), ["backend"]) == (("backend",),)


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="unknown service app; known are backend, web"):
        waves(environment(), ["app"])


def test_an_order_in_a_circle_is_refused_with_the_circle() -> None:
    with pytest.raises(BadConfiguration, match=r"backend → web → backend|web → backend → web"):
        waves(environment({"backend": ("web",), "web": ("backend",)}), ["web", "backend"])


def test_the_looks_of_a_release_grow_with_its_steps_and_waves() -> None:
    one = planned_looks(POLICY, 1)
    assert one == (2 + 3) * 3
    assert planned_looks(POLICY, 2) == 2 * one
    assert planned_looks(POLICY, 0) == 1
