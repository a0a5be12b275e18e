# --- checks ---

lint: sync ## Style and types, tests included
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy .
	@$(UV) lock --check --quiet

format: .venv/.synced ## Format and sort imports
	@.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .

test: test-fast test-airflow test-e2e ## All tests but those of the containers' stack

test-fast: .venv/.synced ## Unit and integration tests: MLflow, and MySQL and S3 in containers where Docker is there
	@$(PYTHON) -m pytest --numprocesses auto --dist loadfile -m 'not processes'

test-airflow: .venv-airflow/.synced ## Tests of the DAGs, in Airflow's environment
	@.venv-airflow/bin/python -m pytest tests/airflow

test-e2e: sync ## The loop through real processes, and the UI in Chromium
	@$(PYTHON) -m pytest tests/integration -m processes
	@$(PYTHON) -m pytest tests/browser tests/e2e

bench: .venv/.synced ## Ingestion, search and serving against their baselines (needs Docker, wrk and COVERTYPE_CSV)
	@$(PYTHON) -m benchmarks.ingestion
	@OMP_NUM_THREADS=1 $(PYTHON) -m benchmarks.search --csv "$${COVERTYPE_CSV:?names a CSV of covertype rows}"
	@$(PYTHON) -m benchmarks.serving

bench-serving: .venv/.synced ## Serving against other model servers, which it installs below .local/ (needs wrk)
	@$(PYTHON) -m benchmarks.serving

# Locust has an environment of its own, for it needs other releases of what the product uses.
LOCUST = locust==$(shell sed -n 's|.*locustio/locust:||p' docker-compose.yml)
LOAD ?= --headless --users 50 --spawn-rate 10 --run-time 30s --only-summary

load-test: uv ## Load on an API that runs: make load-test HOST=http://localhost:8989 LOAD='--headless --users 50'
	@PYTHONPATH=. $(UV) run --quiet --no-project --with $(LOCUST) locust -f load_tests/locustfile.py \
		--host $(or $(HOST),http://localhost:8989) $(LOAD)

.PHONY: lint format test test-fast test-airflow test-e2e bench bench-serving load-test
