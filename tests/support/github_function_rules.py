"""Rules over real webhook events that call: functions of values, the envelope, sizes, elements of arrays, and times."""

from __future__ import annotations

import re

from tests.support.github_events import MISSING, Event
from tests.support.plain_conditions import (
    Elements,
    RuleBook,
    at,
    has,
    instant,
    length,
    need,
    needs,
    ordered,
    text,
    utc,
)

FUNCTION_RULES = RuleBook()
rule = FUNCTION_RULES.rule


# --- Functions of values ---------------------------------------------------------------------------------------------


@rule("has_field('organization') && !has_field(repository.owner.email)")
def present(e: Event) -> bool:
    return "organization" in e["data"] and at(e, "repository", "owner", "email") is MISSING


@rule("has_field(number) or has_field(release)")
def present_at_the_top(e: Event) -> bool:
    return "number" in e["data"] or "release" in e["data"]


@rule("is_null(repository.description)")
def null(e: Event) -> bool:
    return need(e, "repository", "description") is None


@rule("is_null(pull_request.assignee?) || is_null('head_commit')")
def null_by_key_or_if_there(e: Event) -> bool:
    return at(e, "pull_request", "assignee") is None or need(e, "head_commit") is None


@rule("contains(issue.body?, 'commit')")
def part_of_text(e: Event) -> bool:
    body = at(e, "issue", "body")
    return body is not MISSING and has(body, "commit", "contains(issue.body)")


@rule('contains(repository.description, "\\ud83d\\udce6\\u26a1")')
def signs_beyond_the_basic_plane(e: Event) -> bool:
    return has(need(e, "repository", "description"), "📦⚡", "contains(repository.description)")


@rule("contains(rule.authorized_actor_names, 'Codertocat')")
def item_of_array(e: Event) -> bool:
    return has(
        need(e, "rule", "authorized_actor_names"), "Codertocat", "contains(rule.authorized_actor_names)"
    )


@rule("has_field('action') && (contains(repository.topics?, topic) || contains(action, 1))")
def number_in_text(e: Event) -> bool:
    if "action" not in e["data"]:
        return False
    topics = at(e, "repository", "topics")
    if topics is not MISSING and has(topics, "topic", "contains(repository.topics)"):
        return True
    raise needs("contains(action)", "an array", need(e, "action"))


@rule("contains(repository.topics?, 1) || contains(workflow_job.labels?, 'gpu')")
def item_of_another_type(e: Event) -> bool:
    return "gpu" in (e["data"].get("workflow_job") or {"labels": []})["labels"]


@rule("starts_with('ref', 'refs/')")
def beginning(e: Event) -> bool:
    return text(need(e, "ref"), "starts_with(ref)").startswith("refs/")


@rule("ends_with(release.name?, O) or ends_with(comment.body?, '.')")
def end(e: Event) -> bool:
    name, body = at(e, "release", "name"), at(e, "comment", "body")
    if name is not MISSING and text(name, "ends_with(release.name)").endswith("O"):
        return True
    return body is not MISSING and text(body, "ends_with(comment.body)").endswith(".")


@rule(r"matches(repository.full_name?, '(?i)^[a-z]+(-[a-z]+)?/HELLO-[a-z]+$')")
def pattern(e: Event) -> bool:
    name = at(e, "repository", "full_name")
    return name is not MISSING and bool(re.search(r"^[a-z]+(-[a-z]+)?/hello-[a-z]+$", name, re.IGNORECASE))


@rule("like(issue.body, \"It * 'commit' *.\")")
def form(e: Event) -> bool:
    body = text(need(e, "issue", "body"), "like(issue.body)")
    middle = body.removeprefix("It ").removesuffix(".")
    return len(middle) == len(body) - 4 and " 'commit' " in middle


@rule("like(release.tag_name?, '0.?.*') || like(release.tag_name?, '0.*1')")
def question_mark_is_no_wildcard(e: Event) -> bool:
    tag = at(e, "release", "tag_name")
    return tag is not MISSING and tag.startswith("0.") and tag[2:].endswith("1")


@rule("ieq(sender.login, 'CODERTOCAT')")
def letter_case_aside(e: Event) -> bool:
    return text(need(e, "sender", "login"), "ieq(sender.login)").lower() == "codertocat"


# --- The envelope ----------------------------------------------------------------------------------------------------


@rule("@event_type in ('INSERT', 'DELETE')")
def kind(e: Event) -> bool:
    return e["event_type"] in ("INSERT", "DELETE")


@rule("like(@entity_type, 'PullRequest*') && @entity_type != 'PullRequest'")
def entity(e: Event) -> bool:
    return bool(e["entity_type"].startswith("PullRequest")) and e["entity_type"] != "PullRequest"


@rule("matches(@entity_id, '^[0-4][0-9a-f]{7}-')")
def entity_id(e: Event) -> bool:
    return e["entity_id"][0] in "01234"


@rule("ends_with(@user_id, '[bot]')")
def user(e: Event) -> bool:
    return text(e["user_id"], "ends_with(@user_id)").endswith("[bot]")


@rule("is_null(@tenant_id) && @actor_type == null && !contains(@user_id, 'octo')")
def no_tenant(e: Event) -> bool:
    return not has(e["user_id"], "octo", "contains(@user_id)")


# --- Sizes -----------------------------------------------------------------------------------------------------------


@rule("size(commits) == 0", entity="Push")
def size_of_array(e: Event) -> bool:
    return length(need(e, "commits"), "size(commits)") == 0


@rule("size(repository.description?) > 24")
def size_of_text(e: Event) -> bool:
    value = at(e, "repository", "description")
    return value is not MISSING and length(value, "size(repository.description)") > 24


@rule("size(rule) >= 25 || size(rule) in (1, 2)")
def size_of_object(e: Event) -> bool:
    return length(need(e, "rule"), "size(rule)") >= 25


# --- Elements --------------------------------------------------------------------------------------------------------


@rule("any(workflow_job.steps, name == 'Set up job' && conclusion == 'success')")
def some_step(e: Event) -> bool:
    return Elements(e, "workflow_job", "steps").some(
        lambda step: need(step, "name") == "Set up job" and need(step, "conclusion") == "success"
    )


@rule("all(workflow_job.steps?, status == 'completed')")
def every_step_of_more_than_ten(e: Event) -> bool:
    if at(e, "workflow_job", "steps") is MISSING:
        return False
    return Elements(e, "workflow_job", "steps").every(lambda step: bool(need(step, "status") == "completed"))


@rule("any(workflow_job.steps, time(completed_at) >= '2022-01-01T00:00:00Z' && !has_field('failed'))")
def step_that_ran_late(e: Event) -> bool:
    return Elements(e, "workflow_job", "steps").some(
        lambda step: instant(need(step, "completed_at"), "time(completed_at)") >= utc(2022, 1, 1)
    )


@rule("any(issue.labels?, (ieq(name, BUG) or size(name) > 20) and not default in (null, false))")
def some_label(e: Event) -> bool:
    if at(e, "issue", "labels") is MISSING:
        return False
    return Elements(e, "issue", "labels").some(
        lambda label: label["data"]["name"].lower() == "bug" and label["data"]["default"] is True
    )


@rule(
    "all(security_advisory.vulnerabilities?, package.ecosystem == npm || first_patched_version.identifier > 1)"
)
def element_without_order(e: Event) -> bool:
    def test(vulnerability: Event) -> bool:
        if need(vulnerability, "package", "ecosystem") == "npm":
            return True
        version = need(vulnerability, "first_patched_version", "identifier")
        return bool(ordered(version, "first_patched_version.identifier >") > 1)

    if at(e, "security_advisory", "vulnerabilities") is MISSING:
        return False
    return Elements(e, "security_advisory", "vulnerabilities").every(test)


@rule("any(workflow_job.labels?, has_field('name') || @user_id == 'lineville' || size > 1)")
def element_that_is_no_object(e: Event) -> bool:
    if at(e, "workflow_job", "labels") is MISSING:
        return False
    return Elements(e, "workflow_job", "labels").some(
        lambda label: e["user_id"] == "lineville" or ordered(need(label, "size"), "size >") > 1
    )


@rule("action? == 'opened' || all(repository.license?, name == 'MIT License')")
def elements_of_what_is_no_array(e: Event) -> bool:
    if at(e, "action") == "opened":
        return True
    value = at(e, "repository", "license")
    if value is not MISSING:
        raise needs("all(repository.license)", "an array", value)
    return False


@rule("all(issue.assignees?, login in ('octocat', 'hubot') && size(login) > 0)")
def all_of_none(e: Event) -> bool:
    """An issue that is assigned to nobody is assigned to the right people only."""
    assignees = at(e, "issue", "assignees")
    return assignees is not MISSING and {someone["login"] for someone in assignees} <= {"octocat", "hubot"}


@rule("any(branches?, name == 'gh-pages' && commit[\"sha\"] != '')")
def key_of_an_element(e: Event) -> bool:
    return any(branch["name"] == "gh-pages" for branch in e["data"].get("branches", []))


# --- Times -----------------------------------------------------------------------------------------------------------


@rule("time(issue.created_at) == '2019-05-15T17:20:18.000+02:00'")
def same_instant_elsewhere(e: Event) -> bool:
    return instant(need(e, "issue", "created_at"), "time(issue.created_at)") == utc(2019, 5, 15, 15, 20, 18)


@rule("time(repository.pushed_at?) > '2019-05-15T15:20:33Z'")
def pushed_after(e: Event) -> bool:
    value = at(e, "repository", "pushed_at")
    return value is not MISSING and instant(value, "time(repository.pushed_at)") > utc(
        2019, 5, 15, 15, 20, 33
    )


@rule(
    "time(installation.created_at?) != '2019-05-15T15:20:33Z' or time(milestone.due_on) < '2019-05-23t07:00:00z'"
)
def number_is_no_time(e: Event) -> bool:
    created = at(e, "installation", "created_at")
    if created is not MISSING:
        return instant(created, "time(installation.created_at)") != utc(2019, 5, 15, 15, 20, 33)
    return instant(need(e, "milestone", "due_on"), "time(milestone.due_on)") < utc(2019, 5, 23, 7)


@rule("time(effective_date?) <= '2017-10-24T20:00:00-04:00'")
def effective_by_then(e: Event) -> bool:
    value = at(e, "effective_date")
    return value is not MISSING and instant(value, "time(effective_date)") <= utc(2017, 10, 25)


@rule("@event_type == 'INSERT' || time(ref?) >= '2020-01-01T00:00:00Z'")
def other_text_is_no_time(e: Event) -> bool:
    if e["event_type"] == "INSERT":
        return True
    ref = at(e, "ref")
    return ref is not MISSING and instant(ref, "time(ref)") >= utc(2020, 1, 1)


@rule("time(rule.created_at) in ('2021-08-19T18:16:32+02:00', \"2023-05-14T02:09:38.000000001Z\")")
def one_of_instants(e: Event) -> bool:
    return instant(need(e, "rule", "created_at"), "time(rule.created_at)") == utc(2021, 8, 19, 16, 16, 32)


@rule("time(issue.updated_at) not in ('2019-05-15T17:20:18+02:00', '2019-05-15T15:20:19Z')", entity="Issues")
def none_of_instants(e: Event) -> bool:
    updated = instant(need(e, "issue", "updated_at"), "time(issue.updated_at)")
    return updated not in (utc(2019, 5, 15, 15, 20, 18), utc(2019, 5, 15, 15, 20, 19))
