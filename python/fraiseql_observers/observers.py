"""Declaring observers and finding those that an event concerns: the public names in one place."""

from fraiseql_observers.definition import ObserverDefinition
from fraiseql_observers.matching import EventMatcher, Match, Matches
from fraiseql_observers.retry import ResolvedRetry, RetryConfig

__all__ = ["EventMatcher", "Match", "Matches", "ObserverDefinition", "ResolvedRetry", "RetryConfig"]
