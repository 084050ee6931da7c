from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Machine


def apt_calls(machine: Machine) -> list[str]:
    return [
        call.split(" -o DPkg::Lock::Timeout=300 ")[-1] for call in machine.calls if call.startswith("apt-get")
    ]


def test_nothing_missing_asks_apt_for_nothing(machine: Machine) -> None:
    done = machine.run("packages.sh")
    assert (done.returncode, done.stderr) == (0, "")
    assert apt_calls(machine) == []


def test_missing_packages_are_installed_in_one_call_and_said_with_their_reason(machine: Machine) -> None:
    machine.lacks("redis-server")
    machine.lacks("mmdebstrap")
    done = machine.run("packages.sh")
    assert done.returncode == 0, done.stderr
    assert apt_calls(machine) == ["update", "install --no-install-recommends redis-server mmdebstrap"]
    assert "missing: redis-server (behind the local cloud's ElastiCache)" in done.stderr


def test_an_installation_starts_and_enables_no_service(machine: Machine) -> None:
    machine.lacks("redis-server")
    machine.has(
        "apt-get",
        f"[ -x {machine.home}/policy ] && {machine.home}/policy || echo refused $? >>{machine.home}/calls",
    )
    assert machine.run("packages.sh").returncode == 0
    assert "refused 101" in machine.calls
    assert {"update-rc.d redis-server disable", "systemctl disable --now redis-server"} <= set(machine.calls)
    assert not (machine.home / "policy").exists()


def test_a_policy_of_the_machine_is_left_as_it_is(machine: Machine) -> None:
    machine.lacks("redis-server")
    (machine.home / "policy").write_text("#!/bin/sh\nexit 104\n")
    assert machine.run("packages.sh").returncode == 0
    assert (machine.home / "policy").read_text() == "#!/bin/sh\nexit 104\n"


def test_neither_root_nor_sudo_is_an_error_that_changes_nothing(machine: Machine) -> None:
    machine.lacks("redis-server")
    machine.has("id", "echo 1000")
    done = machine.run("packages.sh")
    assert done.returncode == 2
    assert "error: packages: not root and no sudo, missing: redis-server; nothing was changed" in done.stderr
    assert apt_calls(machine) == []


def test_a_user_with_sudo_installs_through_it(machine: Machine) -> None:
    machine.lacks("redis-server")
    machine.has("id", "echo 1000")
    machine.has("sudo", '"$@"')
    assert machine.run("packages.sh").returncode == 0
    assert any(call.startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get") for call in machine.calls)


def test_a_machine_without_apt_is_told_what_it_lacks(machine: Machine) -> None:
    machine.lacks("redis-server")
    machine.lacks("apt-get")
    done = machine.run("packages.sh")
    assert done.returncode == 2
    assert "no apt-get here, missing: redis-server; nothing was changed" in done.stderr


def test_a_machine_without_package_lists_gets_them_and_nothing_else(machine: Machine) -> None:
    machine.has("apt-cache", "exit 100")
    assert machine.run("packages.sh").returncode == 0
    assert apt_calls(machine) == ["update"]


def test_a_failing_apt_ends_with_the_end_of_its_log(machine: Machine) -> None:
    machine.lacks("redis-server")
    machine.has("apt-get", "echo 'E: Unable to locate package'; exit 100")
    done = machine.run("packages.sh")
    assert done.returncode == 2
    assert "E: Unable to locate package" in done.stderr
    assert "error: packages: apt-get update failed" in done.stderr


def test_an_old_python_is_refused_with_what_was_looked_at(machine: Machine) -> None:
    machine.lacks("python3")
    machine.has("python3", "exit 1")
    done = machine.run("find-python.sh")
    assert done.returncode == 2
    assert "error: python: no Python 3.11 or newer among: python3" in done.stderr


FAKE_PYTHON = """#!/bin/bash
echo "python $*" >>{calls}
case "$*" in *"-m venv"*) ;; *) exit 0 ;; esac
"""


@pytest.fixture
def with_venv(machine: Machine) -> Callable[[], list[str]]:
    """A .venv of stand-ins; returns how its programs were called."""
    programs = machine.home / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs.parent / "pyvenv.cfg").write_text(f"command = python3 -m venv {machine.home}/.venv\n")
    for name in ("python", "uv"):
        program = programs / name
        program.write_text(f'#!/bin/bash\necho "{name} $*" >>{machine.home}/calls\n')
        program.chmod(0o755)
    return lambda: [call for call in machine.calls if call.startswith(("python ", "uv "))]


def test_an_environment_that_holds_the_lock_is_left_alone(
    machine: Machine, with_venv: Callable[[], list[str]]
) -> None:
    assert machine.run("python.sh").returncode == 0
    first = with_venv()
    assert any(
        call.startswith("uv pip sync") and "--require-hashes requirements.lock" in call for call in first
    )
    assert machine.run("python.sh").returncode == 0
    assert with_venv() == first


def test_a_changed_lock_is_installed(machine: Machine, with_venv: Callable[[], list[str]]) -> None:
    machine.run("python.sh")
    before = len(with_venv())
    (machine.home / "requirements.lock").write_text("two==2 --hash=sha256:1\n")
    assert machine.run("python.sh").returncode == 0
    assert len(with_venv()) > before


def test_a_failed_installation_is_tried_again(machine: Machine, with_venv: Callable[[], list[str]]) -> None:
    uv = machine.home / ".venv" / "bin" / "uv"
    works = uv.read_text()
    uv.write_text("#!/bin/bash\necho no route to host\nexit 1\n")
    done = machine.run("python.sh")
    assert done.returncode == 2
    assert "no route to host" in done.stderr
    assert "error: python: uv pip sync failed" in done.stderr
    uv.write_text(works)
    assert machine.run("python.sh").returncode == 0
    assert any(call.startswith("uv pip sync") for call in with_venv())
