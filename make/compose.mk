# --- the whole product in containers ---

# Images carry no git: the commit reaches the runs of MLflow through the environment.
COMPOSE := GIT_SHA=$(shell git rev-parse --short HEAD 2>/dev/null) docker compose

up: check ## Build and start the stack of containers, wait until it is healthy, print its addresses
	@$(COMPOSE) up --build --wait --remove-orphans
	@sh docker/addresses.sh

check: ## Say what `up` would refuse, while what runs goes on: secrets, use cases, passwords
	@GIT_SHA=$(shell git rev-parse --short HEAD 2>/dev/null) sh docker/check.sh

dev: ## The same with the code of this folder mounted and reloaded when it changes
	@$(COMPOSE) -f docker-compose.yml -f docker-compose.dev.yml up --build --wait --remove-orphans
	@sh docker/addresses.sh

down: ## Stop the stack; its data stays (docker compose --profile '*' down -v removes that too)
	@$(COMPOSE) --profile '*' down --remove-orphans

logs: ## Follow the logs of the stack
	@$(COMPOSE) logs --follow --tail 50

test-stack: .venv/.synced ## Test the stack with real containers, beside one that runs
	@$(PYTHON) -m pytest tests/stack

.PHONY: up check dev down logs test-stack
