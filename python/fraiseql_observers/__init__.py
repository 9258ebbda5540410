"""Durable reactions to entity changes: rules, conditions, jobs and workers."""
