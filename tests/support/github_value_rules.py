"""Rules over real webhook events that compare: operators, forms of literals, paths, lists, and the connectives."""

from __future__ import annotations

from tests.support.github_events import MISSING, Event
from tests.support.plain_conditions import RuleBook, at, is_number, need, ordered

VALUE_RULES = RuleBook()
rule = VALUE_RULES.rule


# --- Forms of literals -----------------------------------------------------------------------------------------------


@rule("action? == 'opened'")
def quoted(e: Event) -> bool:
    return bool(at(e, "action") == "opened")


@rule('comment.body? == "You are totally right! I\'ll get this fixed right away."')
def double_quoted(e: Event) -> bool:
    return bool(at(e, "comment", "body") == "You are totally right! I'll get this fixed right away.")


@rule(r'repository.full_name? == "octo\u002dorg\/octo-repo"')
def escaped(e: Event) -> bool:
    return bool(at(e, "repository", "full_name") == "octo-org/octo-repo")


@rule("repository.visibility? == public")
def bare_word(e: Event) -> bool:
    return bool(at(e, "repository", "visibility") == "public")


@rule("ref? == && has_field('ref')")
def nothing_is_the_empty_string(e: Event) -> bool:
    return bool(at(e, "ref") == "")


@rule("repository.size == 5.04e2")
def integer_equals_a_number_with_exponent(e: Event) -> bool:
    return bool(need(e, "repository", "size") == 504)


@rule("number? == 2.0 && !(number? == '2')")
def quoted_number_is_text(e: Event) -> bool:
    return bool(at(e, "number") == 2)


@rule("sender.site_admin == true")
def true_is_no_string(e: Event) -> bool:
    return need(e, "sender", "site_admin") is True


@rule("pull_request.draft? == false")
def false_is_there(e: Event) -> bool:
    return at(e, "pull_request", "draft") is False


@rule("repository.language == null")
def null_is_there(e: Event) -> bool:
    return need(e, "repository", "language") is None


# --- Operators -------------------------------------------------------------------------------------------------------


@rule("action != 'created'")
def unequal(e: Event) -> bool:
    return bool(need(e, "action") != "created")


@rule("action? != 'created'")
def unequal_and_there(e: Event) -> bool:
    return at(e, "action") not in ("created", MISSING)


@rule("repository.size > 0 and repository.size <= 504")
def between(e: Event) -> bool:
    size = ordered(need(e, "repository", "size"), "repository.size >")
    return bool(0 < size <= 504)


@rule("security_advisory.cvss.score? > 7.9")
def above_its_own_score(e: Event) -> bool:
    score = at(e, "security_advisory", "cvss", "score")
    return is_number(score) and score > 7.9


@rule("sender.id < 21031067")
def older_account(e: Event) -> bool:
    return bool(ordered(need(e, "sender", "id"), "sender.id <") < 21031067)


@rule("comment.line >= 2")
def comment_on_a_line(e: Event) -> bool:
    return bool(ordered(need(e, "comment", "line"), "comment.line >=") >= 2)


@rule("has_field('repository') && repository.pushed_at > 1557933656")
def pushed_by_the_seconds_of_an_epoch(e: Event) -> bool:
    """Pushes alone give these as numbers; a string has no order."""
    return "repository" in e["data"] and bool(
        ordered(need(e, "repository", "pushed_at"), "repository.pushed_at >") > 1557933656
    )


@rule("action? == 'opened' || repository.private? <= 1")
def truth_has_no_order(e: Event) -> bool:
    if at(e, "action") == "opened":
        return True
    private = at(e, "repository", "private")
    return private is not MISSING and bool(ordered(private, "repository.private <=") <= 1)


@rule("action? == 'opened' || ref? > 'refs/heads'")
def text_has_no_order(e: Event) -> bool:
    if at(e, "action") == "opened":
        return True
    ref = at(e, "ref")
    if ref is MISSING:
        return False
    return bool(ordered(ref, "ref >", "string"))


# --- Paths -----------------------------------------------------------------------------------------------------------


@rule("workflow_job.steps[0][\"status\"]? == 'completed'")
def index_and_key(e: Event) -> bool:
    return bool(at(e, "workflow_job", "steps", 0, "status") == "completed")


@rule("issue.labels[0].name == 'bug' && issue.assignees[0].login != 'octocat' && issue.comments == 0")
def index_that_may_be_missing(e: Event) -> bool:
    if need(e, "issue", "labels", 0, "name") != "bug":
        return False
    return bool(need(e, "issue", "assignees", 0, "login") != "octocat" and need(e, "issue", "comments") == 0)


@rule('issue.reactions["+1"]? == 0 && issue.reactions["-1"]? == 0 && issue.comments >= 1')
def keys_that_are_no_names(e: Event) -> bool:
    reactions = at(e, "issue", "reactions")
    if reactions is MISSING or reactions["+1"] != 0 or reactions["-1"] != 0:
        return False
    return bool(ordered(need(e, "issue", "comments"), "issue.comments >=") >= 1)


@rule(
    'has_field(package.package_version.container_metadata.labels.all_labels["org.opencontainers.image.title"])'
)
def key_with_dots(e: Event) -> bool:
    labels = at(e, "package", "package_version", "container_metadata", "labels", "all_labels")
    return isinstance(labels, dict) and "org.opencontainers.image.title" in labels


@rule(
    "has_field(repository[0]) || has_field(workflow_job.labels[1]) || has_field(workflow_job.labels.length)"
)
def index_into_arrays_only(e: Event) -> bool:
    labels = at(e, "workflow_job", "labels")
    return isinstance(labels, list) and len(labels) > 1


# --- Lists -----------------------------------------------------------------------------------------------------------


@rule("action? in ('labeled', unlabeled, \"assigned\", 1, null)")
def one_of(e: Event) -> bool:
    return at(e, "action") in ("labeled", "unlabeled", "assigned")


@rule("sender.type not in ('User', 'Bot')")
def none_of(e: Event) -> bool:
    return need(e, "sender", "type") not in ("User", "Bot")


@rule("repository.open_issues_count not in (-1, 0, 1, 2e0, '39')")
def number_that_is_none_of(e: Event) -> bool:
    return need(e, "repository", "open_issues_count") not in (0, 1, 2)


@rule("alert.number? not in (10)")
def missing_is_not_outside(e: Event) -> bool:
    return at(e, "alert", "number") not in (10, MISSING)


@rule("issue.milestone? in (null) or ref? in (, 'simple-tag')")
def null_and_nothing_in_a_list(e: Event) -> bool:
    return at(e, "issue", "milestone") is None or at(e, "ref") in ("", "simple-tag")


# --- Connectives -----------------------------------------------------------------------------------------------------


@rule("has_field('issue') && issue.comments > 0")
def guarded(e: Event) -> bool:
    return "issue" in e["data"] and e["data"]["issue"]["comments"] > 0


@rule("issue.comments > 0 && has_field('issue')")
def guarded_too_late(e: Event) -> bool:
    return bool(ordered(need(e, "issue", "comments"), "issue.comments >") > 0)


@rule("! issue.state == 'open'")
def negation_keeps_errors(e: Event) -> bool:
    return bool(need(e, "issue", "state") != "open")


@rule("not issue.state? == 'open' and has_field(issue.state)")
def negation_in_words(e: Event) -> bool:
    return at(e, "issue", "state") not in ("open", MISSING)


@rule("!(action? == 'created' || (sender.type? == 'User' && !(repository.private? != false)))")
def nested(e: Event) -> bool:
    if at(e, "action") == "created":
        return False
    # Not private, or in no repository: what is missing is not unequal.
    is_public = at(e, "repository", "private") in (False, MISSING)
    return not (at(e, "sender", "type") == "User" and is_public)


@rule("action? == 'created' || action? == 'opened' && sender.type? == 'Bot'")
def and_binds_closer(e: Event) -> bool:
    opened_by_a_bot = at(e, "action") == "opened" and at(e, "sender", "type") == "Bot"
    return bool(at(e, "action") == "created" or opened_by_a_bot)
