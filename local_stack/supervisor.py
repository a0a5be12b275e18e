"""Running the services together with honcho: logs in files, one stop for all, and no process left behind."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import psutil
from honcho.manager import Manager
from honcho.printer import Message, Printer

GUIDE = "guide"


class LogPrinter(Printer):
    """Writes what a service prints to ``<name>.log``; only the guide's words go to the terminal."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._files: dict[str, TextIO] = {}

    def write(self, message: Message) -> None:
        text = message.data.decode("utf-8", "replace") if isinstance(message.data, bytes) else message.data
        if message.name == GUIDE:
            print(text, end="", flush=True)
        if message.name not in self._files:
            # Line-buffered, and open for as long as the service runs.
            self._files[message.name] = self.log(message.name).open("a", buffering=1, encoding="utf-8")
        self._files[message.name].write(text)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class Supervisor(Manager):
    """Honcho's manager, which also remembers who stopped first and can be stopped while it still starts.

    Parameters
    ----------
    logs : folder of the log files.
    stack_id : mark of every process of the stack, see `stack_processes`.
    """

    def __init__(self, logs: Path, stack_id: str) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.stack_id = stack_id
        self.printer = LogPrinter(logs)
        super().__init__(self.printer)
        self._processes: dict[str, Any] = {}
        self.descendants: set[psutil.Process] = set()
        self.first_stopped: str | None = None
        self.interrupted = False

    def loop(self) -> None:
        """Run until a process stops or a signal comes, then stop the others."""
        # A closed terminal stops the stack as Ctrl-C does.
        signal.signal(signal.SIGHUP, _as_terminate)
        try:
            super().loop()
        finally:
            self.printer.close()

    def terminate(self) -> None:
        if not self._terminating:
            stopped = [name for name, process in self._processes.items() if "returncode" in process]
            self.first_stopped = stopped[0] if stopped else None
            self.interrupted = not stopped
            self._remember_descendants()
        super().terminate()

    def kill(self) -> None:
        self._remember_descendants()
        super().kill()
        # A task that left the process group of its scheduler holds the pipe that honcho reads to its end.
        for process in {*self.descendants, *stack_processes(self.stack_id)}:
            _send(process, signal.SIGKILL)

    def _remember_descendants(self) -> None:
        """Note who descends from the services, as long as there is a line of descent.

        The mark does not tell: Airflow's workers write their titles over the environment that others can read.
        """
        for relay in psutil.Process().children():  # honcho's own, which report the end of a service
            try:
                self.descendants.update(relay.children(recursive=True))
            except psutil.NoSuchProcess:
                continue

    def _killall(self, force: bool = False) -> None:
        # Honcho would look for the process id of one that has not been started yet.
        everything: dict[str, Any] = self._processes
        self._processes = {name: process for name, process in everything.items() if "pid" in process}
        try:
            super()._killall(force)
        finally:
            self._processes = everything


def _as_terminate(_signal: int, _frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stack_processes(stack_id: str) -> list[psutil.Process]:
    """Every process of the stack, however far from the launcher it was started."""
    others = (process for process in psutil.process_iter() if process.pid != os.getpid())
    return [process for process in others if _environment(process).get("MLOPS_STACK_ID") == stack_id]


def _environment(process: psutil.Process) -> dict[str, Any]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}  # it ended, or is another user's


def end_processes(processes: Iterable[psutil.Process], patience: float = 3) -> None:
    """End what outlived its service (a task, a worker of a search), first kindly."""
    leftovers = [process for process in processes if process.is_running()]
    for process in leftovers:
        _send(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(leftovers, timeout=patience)
    for process in alive:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=patience)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def tail(path: Path, lines: int = 25) -> str:
    """Last lines of a log, indented to be told apart from the message around them."""
    if not path.is_file():
        return "    (empty)"
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in text[-lines:])
