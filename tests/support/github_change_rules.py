"""Rules over real webhook events that ask what has changed, and what was there before and after."""

from __future__ import annotations

from tests.support.github_events import MISSING, Event
from tests.support.plain_conditions import (
    RuleBook,
    after,
    at,
    before,
    instant,
    look,
    need,
    need_side,
    ordered,
    tracked,
    utc,
)

CHANGE_RULES = RuleBook()
rule = CHANGE_RULES.rule


# --- What has changed ------------------------------------------------------------------------------------------------


@rule("field_changed('title') || field_changed(body)")
def text_changed(e: Event) -> bool:
    return "title" in tracked(e, "field_changed(title)") or "body" in tracked(e, "field_changed(body)")


@rule("!field_changed('login')")
def same_value_in_changes_counts_as_changed(e: Event) -> bool:
    """A renamed organization comes with its name twice."""
    return "login" not in tracked(e, "field_changed(login)")


@rule("field_changed(tier.monthly_price_in_cents) && !field_changed(tier.url)")
def changed_below(e: Event) -> bool:
    change = tracked(e, "field_changed(tier.monthly_price_in_cents)").get("tier")
    # No tier has a URL, so that this never differs.
    return (
        change is not None
        and change["old"]["monthly_price_in_cents"] != change["new"]["monthly_price_in_cents"]
    )


@rule("field_changed('owner') && (field_changed(owner.user) || field_changed(owner.user.email))")
def gone_is_changed(e: Event) -> bool:
    """The owner of before lies under `user`, the new one does not."""
    change = tracked(e, "field_changed(owner)").get("owner")
    return change is not None and ("user" in change["old"]) != ("user" in change["new"])


@rule("@event_type != 'UPDATE' || field_changed('archived_at')")
def changed_if_it_is_an_update(e: Event) -> bool:
    return e["event_type"] != "UPDATE" or "archived_at" in tracked(e, "field_changed(archived_at)")


# --- To and from what ------------------------------------------------------------------------------------------------


@rule("field_changed_to('name', 'Small bugfixes') || field_changed_to(name, \"\")")
def to_text(e: Event) -> bool:
    change = tracked(e, "field_changed_to(name)").get("name")
    return change is not None and change["new"] in ("Small bugfixes", "")


@rule("field_changed_to(archived_at, null) and field_changed_to('archived_at', 'null')")
def to_null_and_what_spells_it(e: Event) -> bool:
    change = tracked(e, "field_changed_to(archived_at)").get("archived_at")
    return change is not None and change["new"] is None


@rule(
    "field_changed_from(required_approving_review_count, '2') && field_changed_from('admin_enforced', 'false')"
)
def from_what_is_spelled(e: Event) -> bool:
    changes = tracked(e, "field_changed_from(required_approving_review_count)")
    count, enforced = changes.get("required_approving_review_count"), changes.get("admin_enforced")
    return count is not None and count["old"] == 2 and enforced is not None and enforced["old"] is False


@rule("field_changed_from(dismiss_stale_reviews_on_push, true) || field_changed_from(default_branch, main)")
def from_bare(e: Event) -> bool:
    changes = tracked(e, "field_changed_from(dismiss_stale_reviews_on_push)")
    stale, branch = changes.get("dismiss_stale_reviews_on_push"), changes.get("default_branch")
    return (stale is not None and stale["old"] is True) or (branch is not None and branch["old"] == "main")


@rule('field_changed_from(tier.name, "$10 a month") && field_changed_to(tier.monthly_price_in_dollars, 5.0)')
def from_and_to_below(e: Event) -> bool:
    change = tracked(e, "field_changed_from(tier.name)").get("tier")
    return (
        change is not None
        and change["old"]["name"] == "$10 a month"
        and change["new"]["monthly_price_in_dollars"] == 5
    )


# --- Before and after ------------------------------------------------------------------------------------------------


@rule("old(archived_at?) == null && new(archived_at?) != null")
def archived(e: Event) -> bool:
    return before(e, "archived_at") is None and after(e, "archived_at") not in (None, MISSING)


@rule("old(action) == 'deleted'")
def unchanged_before(e: Event) -> bool:
    """What is not among the changes was there before, save where the event made it."""
    return bool(need_side("old", before(e, "action"), "action") == "deleted")


@rule("new(action) in ('created', 'edited')")
def unchanged_after(e: Event) -> bool:
    """What is not among the changes is there after, save where the event deleted it."""
    return need_side("new", after(e, "action"), "action") in ("created", "edited")


@rule("old(tier.monthly_price_in_cents?) > 500 && new(tier.monthly_price_in_cents) < 1000")
def cheaper(e: Event) -> bool:
    old = before(e, "tier", "monthly_price_in_cents")
    if old is MISSING or not ordered(old, "old(tier.monthly_price_in_cents) >") > 500:
        return False
    new = need_side("new", after(e, "tier", "monthly_price_in_cents"), "tier", "monthly_price_in_cents")
    return bool(ordered(new, "new(tier.monthly_price_in_cents) <") < 1000)


@rule("new(description?) == null || old(default_branch?) >= 1")
def text_of_before_has_no_order(e: Event) -> bool:
    if after(e, "description") is None:
        return True
    old = before(e, "default_branch")
    return old is not MISSING and bool(ordered(old, "old(default_branch) >=") >= 1)


@rule("old(issue.state?) == 'open' && !(new(issue.state?) not in ('closed'))", event_type="DELETE")
def nothing_after_a_deletion(e: Event) -> bool:
    """What is missing is not outside of a list either."""
    return before(e, "issue", "state") == "open" and after(e, "issue", "state") is MISSING


@rule(
    "old(action?) == 'deleted' && !(new(action?) == 'deleted') && repository.private? == false",
    event_type="delete",
)
def there_before_a_deletion(e: Event) -> bool:
    return at(e, "action") == "deleted" and at(e, "repository", "private") is False


@rule("old(old_issue?) == null and new(action) == 'opened'", event_type="INSERT", entity="Issues")
def entry_of_an_insert(e: Event) -> bool:
    return before(e, "old_issue") is None and need_side("new", after(e, "action"), "action") == "opened"


@rule("field_changed('archived_at') && time(projects_v2_item.updated_at) > '2022-06-08T17:19:35-04:00'")
def changed_and_late(e: Event) -> bool:
    if "archived_at" not in tracked(e, "field_changed(archived_at)"):
        return False
    updated = instant(need(e, "projects_v2_item", "updated_at"), "time(projects_v2_item.updated_at)")
    return updated > utc(2022, 6, 8, 21, 19, 35)


@rule("has_field('changes') && not field_changed('body')", event_type="UPDATE", entity="*")
def something_else_changed(e: Event) -> bool:
    return look(e["data"], "changes") is not MISSING and "body" not in tracked(e, "field_changed(body)")
