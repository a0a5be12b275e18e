# --- Kubernetes ---

k8s-settings: .venv/.synced ## Write the manifests' settings anew from docker-compose.yml and .env
	@$(PYTHON) -m deploy.k8s.compose_settings

.PHONY: k8s-settings
