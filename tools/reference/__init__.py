"""Writes the reference pages of the documentation from what they describe: models, exceptions, metrics and scripts."""
