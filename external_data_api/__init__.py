"""The simulated batch source: publishes each use case's rows in batches, as the course's server does."""
