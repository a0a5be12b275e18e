"""``python -m external_data_api``: serve the simulated batch source."""

import argparse
import logging
import sys
from collections.abc import Sequence

import uvicorn
from pydantic_core import PydanticUndefined

from external_data_api.app import create_app
from pipeline.errors import ConfigurationError
from pipeline.settings import ExternalDataApiSettings, load_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; 2 when a setting, a use case or a data file is wrong."""
    _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    try:
        settings = load_settings(ExternalDataApiSettings)
        app = create_app(settings)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    uvicorn.run(app, host=settings.source_host, port=settings.source_port)
    return 0


def _parser() -> argparse.ArgumentParser:
    lines = ["settings (environment variables):"]
    for name, field in ExternalDataApiSettings.model_fields.items():
        if name.startswith("use_case_"):  # one variable per use case, named by its description
            lines.append(f"  {field.description}")
            continue
        default = "" if field.default is PydanticUndefined else f" (default {field.default})"
        lines.append(f"  {name.upper()}{default}" + (f": {field.description}" if field.description else ""))
    return argparse.ArgumentParser(
        prog="python -m external_data_api",
        description="Serve the simulated batch source: every use case of USE_CASES_DIR at its own path.",
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
