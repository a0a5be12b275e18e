import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from local_stack.supervisor import end_processes, stack_processes, tail

ROOT = Path(__file__).resolve().parents[3]

RUN = """
import sys
from pathlib import Path
from honcho import manager
from local_stack.supervisor import Supervisor
manager.KILL_WAIT = 1  # seconds until honcho kills what it asked to stop, else 5
supervisor = Supervisor(Path(sys.argv[1]), "test-supervisor")
for name, command in zip(sys.argv[2::2], sys.argv[3::2]):
    supervisor.add_process(name, command)
supervisor.loop()
print("first:", supervisor.first_stopped, "interrupted:", supervisor.interrupted, "code:", supervisor.returncode)
"""


def start(logs: Path, *processes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(logs), *processes], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_the_first_to_stop_is_named_and_the_others_are_stopped(tmp_path: Path) -> None:
    output, _ = start(tmp_path, "quiet", "exec sleep 60", "broken", "echo no such table; exit 3").communicate(
        timeout=30
    )
    assert "first: broken interrupted: False code: 3" in output
    assert tail(tmp_path / "broken.log").strip() == "no such table"


def test_only_the_guide_speaks_on_the_terminal(tmp_path: Path) -> None:
    output, _ = start(tmp_path, "service", "echo noise; exec sleep 60", "guide", "sleep 0.5; echo hello").communicate(
        timeout=30
    )
    assert "hello" in output
    assert "noise" not in output
    assert (tmp_path / "service.log").read_text() == "noise\n"


def test_a_stop_does_not_wait_for_what_left_its_service(tmp_path: Path) -> None:
    # It keeps the service's output open, in a session of its own, and bears no mark.
    script = "setsid sh -c 'echo away; exec sleep 300' & exec sleep 300"
    launcher = start(tmp_path, "guide", "echo up; exec sleep 60", "service", script)
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "up\n"
    launcher.send_signal(2)
    output, _ = launcher.communicate(timeout=30)
    assert "interrupted: True" in output


def test_a_signal_stops_all(tmp_path: Path) -> None:
    launcher = start(tmp_path, "guide", "echo up; exec sleep 60", "other", "exec sleep 60")
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "up\n"
    launcher.send_signal(2)
    output, _ = launcher.communicate(timeout=30)
    assert "interrupted: True" in output


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_what_left_its_service_is_found_by_its_mark_and_ended(stubborn: str) -> None:
    # A grandchild in a session of its own, as a daemon or a worker of a search would be.
    script = f'setsid sh -c "{stubborn}echo ready; while :; do sleep 1; done" & wait'
    service = subprocess.Popen(
        ["sh", "-c", script], env=os.environ | {"MLOPS_STACK_ID": "test-leftover"}, stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    assert service.stdout.readline() == "ready\n"
    service.kill()
    service.wait()
    assert stack_processes("test-leftover")
    end_processes(stack_processes("test-leftover"), patience=1)
    assert not [process for process in stack_processes("test-leftover") if process.status() != psutil.STATUS_ZOMBIE]


def test_an_absent_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "absent.log").strip() == "(empty)"
