"""``python -m inference_api``: run the service."""

import argparse
import os
import sys
import tempfile

import uvicorn

from inference_api.metrics import MULTIPROCESS_DIR
from pipeline.errors import ConfigurationError
from pipeline.settings import InferenceApiSettings, load_settings

# What requests under way get to finish after a stop signal.
GRACE_SECONDS = 30


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped; returns the exit status."""
    try:
        settings = load_settings(InferenceApiSettings)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    options = _parser(settings).parse_args(arguments)
    if options.workers == 1:
        return _serve(options)
    with tempfile.TemporaryDirectory(prefix="inference-metrics-") as folder:
        # Each worker counts for itself; through this folder any of them can report the sum.
        os.environ[MULTIPROCESS_DIR] = folder
        return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    uvicorn.run(
        "inference_api.app:create_default_app",
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        # Looking for forwarded addresses takes its time, and only behind a proxy that is trusted does it say anything.
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
    )
    return 0


def _parser(settings: InferenceApiSettings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference_api",
        description="Serve the champion of every registered model over HTTP. "
        "Further settings come from the environment (MLFLOW_TRACKING_URI, MODEL_CACHE_DIR, API_KEY, …).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default=settings.api_host, help="address to listen on (API_HOST)")
    parser.add_argument("--port", type=int, default=settings.api_port, help="port to listen on (API_PORT)")
    parser.add_argument("--workers", type=int, default=settings.api_workers, help="server processes (API_WORKERS)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
