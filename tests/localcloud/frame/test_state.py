"""Addresses and ports that an instance gives out."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest

from localcloud.cli import main
from localcloud.state import Instance


def test_task_addresses_are_all_different_and_inside_the_block_and_never_the_api_s() -> None:
    instance = Instance("t-state", 30, Path())
    given = [instance.next_task_address() for _ in range(20_000)]
    assert len(set(given)) == len(given)
    block = ipaddress.ip_network("127.30.0.0/16")
    assert all(ipaddress.ip_address(address) in block for address in given)
    assert not {address for address in given if address.startswith(("127.30.0.", "127.30.1."))}


def test_task_addresses_start_again_after_the_last_one() -> None:
    instance = Instance("t-state", 30, Path())
    given = [instance.next_task_address() for _ in range(254 * 253 + 1)]
    assert given[-1] == given[0]
    assert max(int(address.split(".")[2]) for address in given) == 254


def test_load_balancers_get_addresses_of_their_own() -> None:
    instance = Instance("t-state", 30, Path())
    assert [instance.next_load_balancer_address() for _ in range(2)] == ["127.30.1.1", "127.30.1.2"]


def test_a_port_somebody_listens_on_is_skipped_and_one_given_back_is_given_again() -> None:
    instance = Instance("t-state", 30, Path(), gateway="127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        first = instance.take_port(port)
        assert first > port
        second = instance.take_port(first)
        assert second > first
        instance.give_back_port(first)
        assert instance.take_port(first) == first


@pytest.mark.parametrize(
    "arguments",
    [["up", "--block", "255"], ["up", "--block", "ten"], ["up", "--name", "Not good"], ["nothing"], []],
)
def test_arguments_that_cannot_be_meant_are_refused_before_anything_happens(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage:" in capsys.readouterr().err
