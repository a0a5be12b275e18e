"""The whole product as plain processes on one machine: ``make local`` and ``make demo``."""
