"""The first container of the stack: refuse settings that would fail later or are unsafe, hand volumes to their users.

Whoever reads a secret of the product checks it again (``pipeline.settings``); this covers the databases, the object
store, Airflow and MLflow as well, whose images know nothing of our rules.
"""

import base64
import binascii
import os
import re
import shutil
import sys
from pathlib import Path

# As in pipeline.settings, which is not at hand here: this runs in the plain Python image, before any of ours.
DEVELOPMENT_SECRET_PREFIX = "dev-only-"
# Parts of a connection URL, which Compose puts together as they are.
URL_PASSWORDS = ("WAREHOUSE_PASSWORD", "MLFLOW_DB_PASSWORD", "POSTGRES_PASSWORD")
SECRETS = (
    *URL_PASSWORDS,
    "MYSQL_ROOT_PASSWORD",
    "MINIO_ROOT_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_SECRET_KEY",
    "API_KEY",
    "JUPYTER_TOKEN",
    "GRAFANA_ADMIN_PASSWORD",
)
VOLUMES = Path("/volumes")


def read_secret(name: str) -> str:
    """Value of the variable, or of the file that ``NAME_FILE`` names.

    Raises
    ------
    ValueError
        The file cannot be read; the message names the variable.
    """
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{name}_FILE: cannot read {path}: {error.strerror}") from None


def check_settings() -> list[str]:
    """Return what is wrong with the settings, each naming its variable."""
    environment = os.environ.get("ENVIRONMENT", "")
    if environment not in ("development", "production"):
        return [f"ENVIRONMENT must be development or production (found {environment!r})"]
    problems = []
    for name in SECRETS:
        try:
            problems += check_secret(name, read_secret(name), environment == "production")
        except ValueError as error:
            problems.append(str(error))
    return problems


def check_secret(name: str, value: str, production: bool) -> list[str]:
    """Return what is wrong with one secret."""
    if not value:
        return [f"{name} is empty: set it in .env, or {name}_FILE to the file that holds it"]
    problems = []
    if production and value.startswith(DEVELOPMENT_SECRET_PREFIX):
        problems.append(f"{name} still has its development default: ENVIRONMENT=production needs a secret of your own")
    if name in URL_PASSWORDS and not re.fullmatch(r"[A-Za-z0-9._~-]+", value):
        problems.append(f"{name} becomes part of a URL: use letters, digits and . _ ~ - only")
    if name == "MINIO_ROOT_PASSWORD" and len(value) < 8:
        problems.append("MINIO_ROOT_PASSWORD must have at least 8 characters")
    if name == "AIRFLOW_FERNET_KEY" and not is_fernet_key(value):
        problems.append(
            "AIRFLOW_FERNET_KEY must be 32 bytes in URL-safe base64: openssl rand -base64 32 | tr '+/' '-_'"
        )
    return problems


def is_fernet_key(value: str) -> bool:
    """Whether Airflow can encrypt connections with it."""
    try:
        return len(base64.urlsafe_b64decode(value)) == 32
    except (binascii.Error, ValueError):
        return False


def check_disk(folder: Path, needed_mb: int) -> list[str]:
    """Return a complaint when the disk that holds the volumes is nearly full: databases fail in odd ways there."""
    free_mb = shutil.disk_usage(folder).free // 2**20
    if free_mb >= needed_mb:
        return []
    return [
        f"only {free_mb} MB are free on Docker's disk, MIN_FREE_DISK_MB asks for {needed_mb}: "
        "make room (docker system df; docker builder prune) or lower MIN_FREE_DISK_MB"
    ]


def hand_over(volume: Path, uid: int) -> None:
    """Give a volume to the user its service runs as. Its image leaves it to root, and root is what we do not run as."""
    if volume.stat().st_uid == uid:
        return
    for folder, _, files in os.walk(volume):
        for path in (folder, *(f"{folder}/{name}" for name in files)):
            os.chown(path, uid, uid, follow_symlinks=False)
    print(f"preflight: volume {volume.name} now belongs to user {uid}")


def main() -> None:
    """Exit with every problem at once, or leave the volumes ready."""
    problems = check_settings() + check_disk(Path("/"), int(os.environ.get("MIN_FREE_DISK_MB") or 0))
    if problems:
        sys.exit("preflight: the stack cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
    # Mounted as /volumes/<user id>/<name>.
    for volume in sorted(VOLUMES.glob("*/*")):
        hand_over(volume, int(volume.parent.name))
    print("preflight: settings are fit for", os.environ["ENVIRONMENT"])


if __name__ == "__main__":
    main()
