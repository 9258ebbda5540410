"""What happens when an observer matches: webhooks, functions and log lines."""

from fraiseql_observers.actions.models import ActionConfig, FunctionAction, LogAction, WebhookAction

__all__ = ["ActionConfig", "FunctionAction", "LogAction", "WebhookAction"]
