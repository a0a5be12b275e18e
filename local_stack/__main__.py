"""``python -m local_stack up | demo | mlops | notebook``: the verbs behind those of make."""

import argparse
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local_stack.configuration import REPOSITORY, Configuration, read_settings
from local_stack.ports import choose_ports, configured_ports
from local_stack.prepare import prepare
from local_stack.services import services, write_services
from local_stack.supervisor import GUIDE, Supervisor, end_processes, stack_processes, tail
from pipeline.errors import ConfigurationError, PipelineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the stack; 0 when it did what was asked, 1 when a service failed, 2 when it could not start."""
    options = _parser().parse_args(arguments)
    beside = {"mlops": ["pipeline"], "notebook": ["jupyter", "lab", str(REPOSITORY / "notebooks")]}
    if options.verb in beside:
        return run_beside(options.folder or REPOSITORY / ".local", [*beside[options.verb], *options.arguments])
    # Before the services run there is no supervisor yet: let SIGTERM clean up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    demo = options.verb == "demo"
    local = REPOSITORY / ".local"
    if demo:
        local.mkdir(exist_ok=True)
    folder = options.folder or (Path(tempfile.mkdtemp(prefix="demo-", dir=local)) if demo else local)
    try:
        configuration = configure(folder.resolve(), free_ports=demo or options.free_ports, stack_id=options.stack_id)
        code = run(configuration, ["--until-prediction", str(options.timeout)] if demo else [])
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    if demo and not options.folder:
        if code == 0:
            shutil.rmtree(folder)
        else:
            print(f"kept for a look: {folder}", file=sys.stderr)
    return code


def configure(folder: Path, *, free_ports: bool, stack_id: str | None = None) -> Configuration:
    """Read the settings and choose the ports."""
    settings = read_settings(os.environ, REPOSITORY / ".env")
    ports = choose_ports(settings, os.environ, free=free_ports)
    return Configuration(folder=folder, ports=ports, settings=settings, stack_id=stack_id or secrets.token_hex(8))


def run_beside(folder: Path, module: list[str]) -> int:
    """Run a Python module, with its arguments, against the stack of a folder, with the settings its services have."""
    try:
        if not (folder / "services.json").is_file():
            raise ConfigurationError(f"nothing has run in {folder} yet: start `make local` first")
        settings = read_settings(os.environ, REPOSITORY / ".env")
        ports = configured_ports(settings, os.environ)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    configuration = Configuration(folder=folder.resolve(), ports=ports, settings=settings, stack_id="")
    try:
        return subprocess.run([sys.executable, "-m", *module], env=configuration.environment(), check=False).returncode
    except KeyboardInterrupt:  # Ctrl-C has reached the module too, which says goodbye
        return 0


def run(configuration: Configuration, guide_options: list[str]) -> int:
    """Prepare, run every service until one stops or a signal comes, and leave no process behind."""
    supervisor = Supervisor(configuration.logs, configuration.stack_id)
    try:
        print(f"preparing databases in {configuration.folder} …", flush=True)
        prepare(configuration)
        _start(supervisor, configuration, guide_options)
        return _outcome(supervisor, bool(guide_options))
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C must not leave processes behind
        end_processes({*supervisor.descendants, *stack_processes(configuration.stack_id)})


def _start(supervisor: Supervisor, configuration: Configuration, guide_options: list[str]) -> None:
    running = services(configuration)
    listed = configuration.folder / "services.json"
    write_services(listed, running)
    environment = configuration.environment()
    guide = [sys.executable, "-m", "local_stack.guide", str(listed), *guide_options]
    for name, command in [*((service.name, service.command) for service in running), (GUIDE, guide)]:
        # exec: the signal of a stop reaches the service and not a shell around it.
        supervisor.add_process(name, f"exec {shlex.join(command)}", env=environment, cwd=str(REPOSITORY))
    supervisor.loop()


def _outcome(supervisor: Supervisor, demo: bool) -> int:
    """Exit code, and the reason when a service stopped by itself."""
    stopped = supervisor.first_stopped
    if supervisor.interrupted or stopped is None:
        print("stopped", flush=True)
        return 130 if demo else 0
    if stopped != GUIDE:
        log = supervisor.printer.log(stopped)
        print(f"error: {stopped} stopped by itself; the end of {log}:\n{tail(log)}", file=sys.stderr)
        return 1
    return int(supervisor.returncode or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_stack", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="run the whole product until Ctrl-C")
    up.add_argument("--free-ports", action="store_true", help="any free port instead of the usual ones")
    demo = verbs.add_parser("demo", help="run until the first prediction, print it, stop")
    default = float(os.environ.get("DEMO_TIMEOUT_SECONDS", "600"))
    demo.add_argument("--timeout", type=float, default=default, help="seconds until it gives up (%(default)s)")
    mlops = verbs.add_parser("mlops", help="run the mlops command against the stack that `up` started")
    mlops.add_argument("--folder", type=Path, help="where that stack writes (.local)")
    mlops.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of mlops, for example: status covertype")
    notebook = verbs.add_parser("notebook", help="open JupyterLab on the stack that `up` started")
    notebook.add_argument("--folder", type=Path, help="where that stack writes (.local)")
    notebook.set_defaults(arguments=[])
    for verb in (up, demo):
        verb.add_argument("--stack-id", help="mark of every process of this stack (default: drawn)")
        verb.add_argument("--folder", type=Path, help="where everything is written (up: .local, demo: a new one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
