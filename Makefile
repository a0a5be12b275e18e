# The verbs of daily work; `make` alone lists them.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# uv byte-compiles on demand only, and the first start of Airflow and MLflow would take twice as long.
export UV_COMPILE_BYTECODE := 1
UV ?= $(or $(shell command -v uv 2>/dev/null),.venv-uv/bin/uv)
PYTHON := .venv/bin/python

help: ## List the verbs
	@grep -hE '^[a-z][a-z0-9-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

-include make/*.mk

# --- environments: one lock file, two environments, because Airflow and the services need different FastAPIs ---

sync: .venv/.synced .venv-airflow/.synced ## Install both environments from the lock file

.venv/.synced: pyproject.toml uv.lock | uv
	@echo "installing .venv …"
	@$(UV) sync --frozen --quiet
	@touch $@

.venv-airflow/.synced: pyproject.toml uv.lock | uv
	@echo "installing .venv-airflow …"
	@UV_PROJECT_ENVIRONMENT=.venv-airflow $(UV) sync --frozen --quiet --no-default-groups --group airflow --group airflow-test
	@touch $@

uv:
	@command -v $(UV) >/dev/null || { echo "installing uv …"; python3 -m venv .venv-uv && .venv-uv/bin/pip install --quiet uv; }

# --- the whole product without containers ---

local: sync ## Run the whole product as plain processes; Ctrl-C stops it
	@$(PYTHON) -m local_stack up

demo: sync ## Run it headless until the first real prediction, then stop
	@$(PYTHON) -m local_stack demo

mlops: .venv/.synced ## The mlops command against `make local`: make mlops ARGS='status covertype'
	@$(PYTHON) -m local_stack mlops $(ARGS)

notebook: uv ## JupyterLab on what `make local` collects; its libraries are installed at the first time
	@$(UV) run --frozen --group notebook python -m local_stack notebook

clean: ## Remove what `make local` and `make demo` wrote
	rm -rf .local

.PHONY: help sync uv local demo mlops notebook clean
