"""Rules over real webhook events that use the whole language of conditions, each beside the same in ordinary Python.

A function in Python answers with a truth value, or raises `Unanswerable` with the beginning of the error's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.github_events import MISSING, Event, at


class Unanswerable(Exception):
    """The event cannot answer."""


@dataclass(frozen=True)
class GithubRule:
    """A rule twice.

    Attributes:
        condition: As observers have it.
        plain: The same in Python.
        event_type: The kind of events that hear of it.
        entity: Their entity.
    """

    condition: str
    plain: Callable[[Event], bool]
    event_type: str = "*"
    entity: str = "*"


def need(event: Event, *path: str | int) -> Any:
    """Walk into the data of an event, to something that must be there."""
    value = at(event, *path)
    if value is MISSING:
        raise Unanswerable("Field not found: ")
    return value


def text(function: str, value: Any) -> str:
    """Return a value that must be a string."""
    if not isinstance(value, str):
        raise Unanswerable(f"{function}(")
    return value


def number(value: Any) -> float:
    """Return a value that must be a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unanswerable("Cannot compare ")
    return value


def instant(value: Any) -> datetime:
    """Return the instant of a text that must be RFC 3339."""
    if not isinstance(value, str) or not re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value
    ):
        raise Unanswerable("time(")
    return datetime.fromisoformat(value).astimezone(UTC)


def tracked(event: Event) -> dict[str, Any]:
    """Return the changes, which an update must have."""
    if event["changes"] is None and event["event_type"] == "UPDATE":
        raise Unanswerable("Missing pre-image: ")
    return event["changes"] or {}


def side(event: Event, which: str, field: str) -> Any:
    """Return a top-level field before or after the event; `MISSING` where it was not there."""
    change = tracked(event).get(field)
    if change is not None:
        return change[which]
    if (which, event["event_type"]) in {("old", "INSERT"), ("new", "DELETE")}:
        return MISSING
    return event["data"].get(field, MISSING)


def is_different(event: Event, field: str, key: str) -> bool:
    """Whether what a tracked field holds under a key has changed."""
    change = tracked(event).get(field)
    if change is None:
        return False
    old, new = (
        value.get(key, MISSING) if isinstance(value, dict) else MISSING
        for value in (change["old"], change["new"])
    )
    return bool(old != new)


GITHUB_CONDITIONS: dict[str, GithubRule] = {
    # Comparisons, literals, paths
    "equal_quoted": GithubRule("action? == 'opened'", lambda e: at(e, "action") == "opened"),
    "equal_double_quoted": GithubRule(
        'sender.login? == "Codertoc\\u0061t"', lambda e: at(e, "sender", "login") == "Codertocat"
    ),
    "equal_bare_word": GithubRule("action? == edited", lambda e: at(e, "action") == "edited"),
    "not_equal": GithubRule("action != 'created'", lambda e: bool(need(e, "action") != "created")),
    "number": GithubRule("number? == 2.0", lambda e: at(e, "number") == 2),
    "quoted_number": GithubRule("!(number? == '2') && has_field('number')", lambda e: "number" in e["data"]),
    "greater": GithubRule("repository.size > 0", lambda e: number(need(e, "repository", "size")) > 0),
    "at_least": GithubRule(
        "pull_request.commits? >= 1",
        lambda e: (
            at(e, "pull_request", "commits") is not MISSING and number(at(e, "pull_request", "commits")) >= 1
        ),
    ),
    "less": GithubRule(
        "installation.id? < 400",
        lambda e: at(e, "installation", "id") is not MISSING and number(at(e, "installation", "id")) < 400,
    ),
    "at_most": GithubRule("sender.id <= 21031067", lambda e: number(need(e, "sender", "id")) <= 21031067),
    "order_of_text": GithubRule("action > 'a'", lambda e: number(need(e, "action")) > 0),
    "true_and_null": GithubRule(
        "repository.private? == true or repository.license? == null",
        lambda e: at(e, "repository", "private") is True or at(e, "repository", "license") is None,
    ),
    "index_and_key": GithubRule(
        "issue.labels[0][\"name\"]? == 'bug'", lambda e: at(e, "issue", "labels", 0, "name") == "bug"
    ),
    # Lists
    "is_in": GithubRule(
        "action? in ('labeled', unlabeled, 'assigned', 1, null)",
        lambda e: at(e, "action") in ("labeled", "unlabeled", "assigned"),
    ),
    "is_not_in": GithubRule("sender.type not in ('User')", lambda e: need(e, "sender", "type") != "User"),
    # The envelope
    "kind": GithubRule(
        "@event_type in ('INSERT', 'DELETE')", lambda e: e["event_type"] in ("INSERT", "DELETE")
    ),
    "entity": GithubRule("like(@entity_type, '*Request*')", lambda e: "Request" in e["entity_type"]),
    "entity_id": GithubRule("matches(@entity_id, '^[0-4]')", lambda e: e["entity_id"][0] in "01234"),
    "user": GithubRule(
        "ends_with(@user_id, '[bot]')", lambda e: text("ends_with", e["user_id"]).endswith("[bot]")
    ),
    "tenant_and_actor": GithubRule(
        "is_null(@tenant_id) && is_null(@actor_type) && @user_id != 'Codertocat'",
        lambda e: e["user_id"] != "Codertocat",
    ),
    # Functions of values
    "present": GithubRule(
        "has_field(repository.owner.email) || has_field('organization')",
        lambda e: at(e, "repository", "owner", "email") is not MISSING or "organization" in e["data"],
    ),
    "null": GithubRule(
        "is_null(repository.description)", lambda e: need(e, "repository", "description") is None
    ),
    "contains_text": GithubRule(
        "contains(issue.body?, 'commit')",
        lambda e: "issue" in e["data"] and "commit" in text("contains", e["data"]["issue"]["body"]),
    ),
    "contains_item": GithubRule(
        "contains('ref', 'master') or contains(rule.authorized_actor_names?, 'Codertocat')",
        lambda e: (
            "master" in text("contains", need(e, "ref"))
            or "Codertocat" in (e["data"]["rule"]["authorized_actor_names"] if "rule" in e["data"] else ())
        ),
    ),
    "contains_name": GithubRule(
        "contains(rule.authorized_actor_names, 'Codertocat')",
        lambda e: "Codertocat" in need(e, "rule", "authorized_actor_names"),
    ),
    "starts": GithubRule(
        "starts_with('ref', 'refs/')", lambda e: text("starts_with", need(e, "ref")).startswith("refs/")
    ),
    "pattern": GithubRule(
        "matches(repository.full_name?, '(?i)^octo[a-z-]*/hello')",
        lambda e: (
            at(e, "repository") is not MISSING
            and re.match(r"octo[a-z-]*/hello", e["data"]["repository"]["full_name"], re.IGNORECASE)
            is not None
        ),
    ),
    "ignoring_case": GithubRule(
        "ieq(sender.login, 'CODERTOCAT')", lambda e: need(e, "sender", "login").lower() == "codertocat"
    ),
    # Sizes, arrays
    "size_of_text": GithubRule(
        "size(zen?) > 20", lambda e: len(at(e, "zen") if at(e, "zen") is not MISSING else "") > 20
    ),
    "size_of_array": GithubRule("size(commits) == 0", lambda e: len(need(e, "commits")) == 0, entity="Push"),
    "size_of_object": GithubRule(
        "size(repository) in (78, 79, 80)", lambda e: len(need(e, "repository")) in (78, 79, 80)
    ),
    "some_label": GithubRule(
        "any(issue.labels?, name == 'bug' && default? == true)",
        lambda e: any(
            label["name"] == "bug" and label["default"] is True
            for label in (at(e, "issue", "labels") if at(e, "issue", "labels") is not MISSING else ())
        ),
    ),
    "every_commit": GithubRule(
        "all(commits, size(modified) <= 1 && distinct == false)",
        lambda e: all(len(c["modified"]) <= 1 and c["distinct"] is False for c in need(e, "commits")),
    ),
    # Time
    "recent": GithubRule(
        "time(repository.pushed_at?) > '2019-05-15T15:20:30+00:00'",
        lambda e: (
            at(e, "repository", "pushed_at") is not MISSING
            and instant(at(e, "repository", "pushed_at")) > datetime(2019, 5, 15, 15, 20, 30, tzinfo=UTC)
        ),
    ),
    "instants": GithubRule(
        "time(issue.created_at) not in ('2019-05-15T17:20:18+02:00', '2019-05-15T15:20:19Z')",
        lambda e: (
            instant(need(e, "issue", "created_at"))
            not in (
                datetime(2019, 5, 15, 15, 20, 18, tzinfo=UTC),
                datetime(2019, 5, 15, 15, 20, 19, tzinfo=UTC),
            )
        ),
        entity="Issues",
    ),
    # Changes
    "something_changed": GithubRule(
        "field_changed('title') or field_changed(body) or field_changed(name)",
        lambda e: bool({"title", "body", "name"} & tracked(e).keys()),
    ),
    "changed_below": GithubRule(
        "field_changed(owner.user) || field_changed(tier.name)",
        lambda e: is_different(e, "owner", "user") or is_different(e, "tier", "name"),
    ),
    "changed_to": GithubRule(
        "field_changed_to('name', 'Small bugfixes') || field_changed_to('archived_at', 'null')",
        lambda e: (
            tracked(e).get("name", {}).get("new") == "Small bugfixes"
            or ("archived_at" in tracked(e) and tracked(e)["archived_at"]["new"] in (None, "null"))
        ),
    ),
    "changed_from": GithubRule(
        "field_changed_from(default_branch, 'main') || field_changed_from(authorized_actors_only, false)",
        lambda e: (
            tracked(e).get("default_branch", {}).get("old") == "main"
            or tracked(e).get("authorized_actors_only", {}).get("old") is False
        ),
    ),
    "before_and_after": GithubRule(
        "old(archived_at?) == null && new(archived_at?) != null",
        lambda e: (
            side(e, "old", "archived_at") is None and side(e, "new", "archived_at") not in (None, MISSING)
        ),
    ),
    "before_a_deletion": GithubRule(
        "old(action) == 'removed' or new(action?) == 'removed'",
        lambda e: bool(need(e, "action") == "removed"),
        event_type="DELETE",
    ),
    # Guards and negation
    "guarded": GithubRule(
        "has_field('release') && (release.draft == true || !(release.prerelease == true))",
        lambda e: (
            "release" in e["data"]
            and (e["data"]["release"]["draft"] is True or e["data"]["release"]["prerelease"] is not True)
        ),
    ),
    "guard_too_late": GithubRule(
        "issue.state == 'open' && has_field('issue')", lambda e: bool(need(e, "issue", "state") == "open")
    ),
}
