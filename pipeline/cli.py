"""The ``mlops`` command line.

Exit codes: 0 done, 1 an expected failure (its message says what to do), 2 a mistake on the command line.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pipeline import commands
from pipeline.errors import PipelineError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : of the command line; by default those of the process.

    Returns
    -------
    int
        Exit code.
    """
    options = _parser().parse_args(arguments)
    # MLflow's own log lines would come between those of progress.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    try:
        return int(options.run(options))
    except PipelineError as error:
        print(f"mlops {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was done so far is stored, run the command again to go on", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlops", description="Every step of the DAGs by hand.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = _command(subparsers, commands.check, use_case=False)
    command.add_argument("--stored", action="store_true", help="against the rows that the warehouse holds, too")
    _command(subparsers, commands.init, use_case=False)
    command = _command(subparsers, commands.collect)
    command.add_argument("--all", action="store_true", help="poll until the source has handed out its last batch")
    command = _command(subparsers, commands.train)
    command.add_argument("--force", action="store_true", help="train even when too little has changed")
    command.add_argument("--jobs", type=_count, help="fits at a time (default: SEARCH_JOBS)")
    command.add_argument(
        "--no-verify", action="store_true", help="do not wait for the inference API to serve the result"
    )
    command = _command(subparsers, commands.promote)
    command.add_argument("--version", type=_count, help="version to promote (default: the challenger)")
    command.add_argument("--reason", help="kept in the history")
    command = _command(subparsers, commands.rollback)
    command.add_argument(
        "--to", type=_count, metavar="VERSION", help="version to return to (default: the previous champion)"
    )
    command.add_argument("--reason", help="kept in the history")
    command = _command(subparsers, commands.traffic)
    command.add_argument("--mode", choices=("off", "shadow", "canary"), help="default: as it is")
    command.add_argument("--alias", help="alias of the version beside the champion (default: challenger)")
    command.add_argument("--share", type=float, help="of the requests, from 0 to 1 (default: 0.1)")
    command = _command(subparsers, commands.prune, use_case=False)
    command.add_argument(
        "--days", type=_not_negative, help="keep what is younger; 0 for any age (default: PREDICTIONS_KEPT_DAYS)"
    )
    command.add_argument(
        "--rows", type=_not_negative, help="keep so many of each use case; 0 for all (default: PREDICTIONS_KEPT_ROWS)"
    )
    command = _command(subparsers, commands.status)
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    command = _command(subparsers, commands.audit)
    command.add_argument("--version", type=_count, help="check this version of the model only (default: all)")
    command.add_argument(
        "--no-refit", action="store_true", help="do not fit the versions again, which takes as long as their first fit"
    )
    return parser


def _command(
    subparsers: Any, run: Callable[[argparse.Namespace], int], use_case: bool = True
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
    parser.set_defaults(run=run)
    if use_case:
        parser.add_argument("use_case", nargs="?", help="name of a use case (default: DEFAULT_USE_CASE)")
    return parser


def _count(text: str) -> int:
    return _at_least(1, text)


def _not_negative(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
    return value


if __name__ == "__main__":
    sys.exit(main())
