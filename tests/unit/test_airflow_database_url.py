"""The address of Airflow's database, where the password is in a file."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "airflow-database-url.sh"


def test_the_url_is_all_of_the_output_without_the_newline_of_an_editor(tmp_path: Path) -> None:
    (tmp_path / "postgres_password").write_text("s3cret\n", encoding="utf-8")
    script = SCRIPT.read_text(encoding="utf-8").replace("/run/secrets", str(tmp_path))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "postgresql+psycopg2://airflow:s3cret@postgres:5432/airflow"
