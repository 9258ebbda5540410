"""The real webhook events that the example in `examples/github.toml` is about, and its rules in plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]
#: The events are not part of the repository: they lie beside it where this version is developed and tested.
GITHUB_EVENTS = _REPOSITORY.parent / "shared" / "data" / "github_events.ndjson"
GITHUB_RULES = _REPOSITORY / "examples" / "github.toml"

#: Stands for a value that is not there, and equals nothing else.
MISSING = object()

Event = dict[str, Any]


def read_github_events() -> list[Event]:
    """Read all events with nothing but the standard library."""
    return [json.loads(line) for line in GITHUB_EVENTS.read_text(encoding="utf-8").splitlines()]


def at(event: Event, *path: str | int) -> Any:
    """Walk into the data of an event; `MISSING` where the way ends."""
    value: Any = event["data"]
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return value


def changed(event: Event, field: str) -> dict[str, Any] | None:
    """Look up the change of a field that was tracked and changed."""
    return (event["changes"] or {}).get(field)


def is_a(event: Event, entity: str, *kinds: str) -> bool:
    """Tell whether an event is of an entity and, where kinds are given, of one of these."""
    return event["entity_type"] == entity and (not kinds or event["event_type"] in kinds)


def _is_above(value: object, bound: float) -> bool:
    return isinstance(value, (int, float)) and value > bound


#: What each observer of the example is meant to match, written by hand from what its name promises.
PLAIN_RULES: dict[str, Callable[[Event], bool]] = {
    "pull_request_opened": lambda e: (
        is_a(e, "PullRequest", "INSERT")
        and e["data"]["pull_request"]["draft"] is False
        and e["data"]["pull_request"]["base"]["ref"] == "master"
    ),
    "pull_request_needs_a_look": lambda e: (
        is_a(e, "PullRequest", "UPDATE")
        and (
            (e["data"]["action"] == "review_requested" and "requested_reviewer" in e["data"])
            or e["data"]["action"] == "ready_for_review"
        )
    ),
    "bug_reported": lambda e: (
        is_a(e, "Issues", "UPDATE") and e["data"]["action"] == "labeled" and at(e, "label", "name") == "bug"
    ),
    "issue_of_the_first_release": lambda e: (
        is_a(e, "Issues")
        and at(e, "issue", "milestone", "title") == "v1.0"
        and at(e, "issue", "labels", 0, "name") == "bug"
        and at(e, "issue", "state") not in (MISSING, "closed")
    ),
    "build_failed": lambda e: (
        e["event_type"] == "UPDATE"
        and any(
            at(e, run, "conclusion") == "failure" for run in ("workflow_job", "workflow_run", "check_run")
        )
    ),
    "production_deployed": lambda e: (
        is_a(e, "DeploymentStatus", "INSERT")
        and e["data"]["deployment_status"]["state"] == "success"
        and e["data"]["deployment"]["environment"] == "production"
    ),
    "release_notes_edited": lambda e: (
        is_a(e, "Release", "UPDATE") and e["data"]["action"] == "edited" and changed(e, "body") is not None
    ),
    "branch_pushed": lambda e: (
        is_a(e, "Push", "CUSTOM")
        and e["data"]["deleted"] is not True
        and at(e, "head_commit", "author", "name") not in (MISSING, "dependabot")
        and e["data"]["ref"] == "refs/heads/master"
    ),
    "default_branch_changed": lambda e: (
        is_a(e, "Repository", "UPDATE")
        and e["data"]["action"] == "edited"
        and (changed(e, "default_branch") or {}).get("old") == "main"
        and e["data"]["repository"]["private"] is False
    ),
    "repository_given_away": lambda e: (
        is_a(e, "Repository", "UPDATE")
        and e["data"]["action"] == "transferred"
        and changed(e, "owner") is not None
    ),
    "project_item_restored": lambda e: (
        is_a(e, "ProjectsV2Item", "UPDATE")
        and e["data"]["action"] == "restored"
        and (changed(e, "archived_at") or {"new": MISSING})["new"] is None
    ),
    "large_plan": lambda e: (
        is_a(e, "MarketplacePurchase", "UPDATE")
        and e["data"]["marketplace_purchase"]["plan"]["monthly_price_in_cents"] >= 10_000
    ),
    "grave_advisory": lambda e: (
        is_a(e, "SecurityAdvisory")
        and _is_above(at(e, "security_advisory", "cvss", "score"), 7.5)
        and (e["data"]["action"] == "published" or at(e, "security_advisory", "severity") == "critical")
    ),
    "private_repository_touched": lambda e: at(e, "repository", "private") is True,
    "something_deleted": lambda e: e["event_type"] == "DELETE",
    "done_by_a_bot": lambda _: False,  # it is disabled
}


def plain_matches(events: Iterable[Event]) -> list[tuple[str, str]]:
    """Find each pair of event id and observer that belong together, in the order of events and rules."""
    return [(e["id"], name) for e in events for name, holds in PLAIN_RULES.items() if holds(e)]
