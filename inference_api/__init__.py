"""The inference API: serves the champion of every registered model over HTTP."""
