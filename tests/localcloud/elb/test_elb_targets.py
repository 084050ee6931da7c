"""States of targets, with a clock of our own."""

from __future__ import annotations

from dataclasses import dataclass

from localcloud.elb.access_log import parse
from localcloud.elb.health import matches
from localcloud.elb.targets import Target, Targets, Thresholds, told
from localcloud.elb.traffic import counted

FAILED = told("unhealthy", "Target.FailedHealthChecks")
THRESHOLDS = Thresholds(healthy=3, unhealthy=2, interval_s=5)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def fresh() -> Target:
    return Target("127.0.0.1", 80, told("initial", "Elb.RegistrationInProgress"))


def test_one_pass_makes_a_new_target_healthy_and_an_unhealthy_one_needs_the_threshold() -> None:
    target = fresh()
    assert target.checked(None, THRESHOLDS, 0)
    states = [target.health.state]
    assert not target.checked(FAILED, THRESHOLDS, 5)
    assert target.checked(FAILED, THRESHOLDS, 10)
    states.append(target.health.state)
    assert states == ["healthy", "unhealthy"]
    passes = [target.checked(None, THRESHOLDS, 15 + n) for n in range(3)]
    assert (passes, target.state) == ([False, False, True], "healthy")


def test_failures_of_a_new_target_count_once_an_interval() -> None:
    target = fresh()
    for at in (100, 101, 102, 103, 104):
        target.checked(FAILED, THRESHOLDS, at)
    assert (target.state, target.failures) == ("initial", 1)
    target.checked(FAILED, THRESHOLDS, 105)
    assert target.state == "unhealthy"


def test_a_draining_target_is_asked_about_after_a_second_and_overdue_after_its_delay() -> None:
    clock = Clock()
    targets = Targets(clock)
    targets.used = {"tg": "lb"}
    targets.register("tg", "127.0.0.1", 80)
    targets.deregister("tg", "127.0.0.1", 80, delay_s=5)
    target = targets.of("tg")[0]
    assert list(targets.draining()) == []
    clock.now += 1
    assert list(targets.draining()) == [("tg", target)]
    assert not targets.overdue(target)
    clock.now += 4
    assert targets.overdue(target)
    targets.register("tg", "127.0.0.1", 80)
    assert targets.health("tg", "127.0.0.1", 80).state == "initial", "registered anew"


def test_a_group_that_comes_into_use_is_checked_from_the_beginning() -> None:
    targets = Targets(Clock())
    targets.register("tg", "127.0.0.1", 80)
    assert targets.health("tg", "127.0.0.1", 80).reason == "Target.NotInUse"
    assert list(targets.due()) == []
    targets.use({"tg": "lb"})
    assert [target.key for _, target in targets.due()] == [("127.0.0.1", 80)]


def test_matchers_are_lists_and_ranges() -> None:
    assert [matches("200,202-204", status) for status in (200, 201, 203, 205)] == [True, False, True, False]


def line(host: str, code: int, flags: str, details: str, micros: str = "1500") -> str:
    group = "targetgroup/a/1"
    return f"1700000000.500000\t600\tapp/lb/1\t{group}\t{host}\t{code}\t{flags}\t{details}\t{micros}"


def test_an_access_log_line_is_counted_as_the_load_balancer_guide_says() -> None:
    host = "127.0.0.1:80"
    cases = {
        line(host, 200, "-", "via_upstream"): (("RequestCount", "HTTPCode_Target_2XX_Count"), ()),
        line(host, 200, "DC", "downstream_remote_disconnect"): (
            ("RequestCount", "HTTPCode_Target_2XX_Count"),
            (),
        ),
        line(host, 502, "UF", "upstream_reset", "-"): (
            ("RequestCount", "TargetConnectionErrorCount"),
            ("HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_502_Count"),
        ),
        line("-", 503, "UH", "no_healthy_upstream", "-"): (
            (),
            ("HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_503_Count"),
        ),
        line(host, 0, "DC", "downstream_remote_disconnect", "-"): (
            ("RequestCount",),
            ("HTTPCode_ELB_4XX_Count",),
        ),
    }
    for text, names in cases.items():
        request = parse(text)
        assert request is not None
        assert counted(request) == names
        assert request.ended == 1700000001.1
    assert parse("nonsense") is None
