"""The demonstration: ``python -m examples.demo`` from the root of the repository, or ``make demo``."""
