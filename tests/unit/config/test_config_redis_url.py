"""Redis URLs: which are accepted, and that no part of a password is ever shown."""

from __future__ import annotations

import pytest

from fraiseql_observers.config import JobQueueConfig
from fraiseql_observers.config.redis_url import shown_redis_url
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import ProblemKind

PASSWORD = "hunter2canary"


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379",
        "redis://localhost:6379/",
        "redis://localhost/15",
        f"redis://:{PASSWORD}@localhost:1/0",
        f"redis://user:{PASSWORD}%40x@10.0.0.1:65535",
        f"rediss://user:{PASSWORD}@redis.example.com:6380/1",
        "redis://[::1]:6379/2",
        "REDIS://localhost",
        "redis+sentinel://a/main",
        f"redis+cluster://u:{PASSWORD}@a:7000,b,[::1]:7002",
        "rediss+cluster://a/0",
        f"redis+sentinel://user:{PASSWORD}@a:26379,[::1]:26380,c/my-master/3",
        f"rediss+sentinel://:{PASSWORD}@a,b/main",
        "unix:///run/valkey.sock",
        f"unix:///run/valkey.sock?db=3&pass={PASSWORD}",
        "embedded://",
        "embedded:///var/lib/queue",
    ],
)
def test_url_of_a_known_form_is_accepted_and_shown_without_password(url: str) -> None:
    """The value is kept as it is; what is shown holds no secret."""
    config = JobQueueConfig(url=url)
    assert config.url == url
    for text in (repr(config), str(config), config.shown_url):
        assert PASSWORD not in text
    assert config.shown_url.startswith(url.split("://", maxsplit=1)[0])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "localhost:6379",
        PASSWORD,
        f"http://user:{PASSWORD}@localhost",
        f"redis:/{PASSWORD}",
        f"redis://:{PASSWORD}@",
        f"redis://:{PASSWORD}@localhost:0",
        f"redis://:{PASSWORD}@localhost:65536",
        f"redis://:{PASSWORD}@localhost:x",
        f"redis://localhost:{PASSWORD}",
        f"redis://:{PASSWORD}@localhost:6379/-1",
        f"redis://:{PASSWORD}@localhost:6379/x",
        f"redis://localhost/{PASSWORD}",
        f"redis://:{PASSWORD}@localhost/0/1",
        f"redis://:{PASSWORD}%zz@localhost",
        f"redis://:{PASSWORD}%@localhost",
        f"redis://:{PASSWORD} x@localhost",
        f"redis://:{PASSWORD}\n@localhost",
        f"redis://:{PASSWORD}@x@localhost",
        f"redis://:{PASSWORD}/x@localhost",
        f"redis://:{PASSWORD}@localhost?protocol=resp3",
        f"redis://localhost?password={PASSWORD}",
        f"rediss://:{PASSWORD}@localhost#insecure",
        f"redis://:{PASSWORD}@a,b",
        f"redis+sentinel://:{PASSWORD}@a:26379",
        f"redis+sentinel://:{PASSWORD}@a:26379/",
        f"redis+sentinel://:{PASSWORD}@a,/main",
        f"redis+sentinel://:{PASSWORD}@a:x/main",
        f"redis+sentinel://:{PASSWORD}@a/main/x",
        f"redis+sentinel://:{PASSWORD}@a/main?x=1",
        f"redis+cluster://:{PASSWORD}@a/1",
        f"redis+cluster://:{PASSWORD}@a,b:0",
        "redis+sentinel://" + ",".join(["a"] * 65) + "/main",
        "unix://run/valkey.sock",
        "unix:///",
        f"unix:///run/valkey.sock?password={PASSWORD}",
        "unix:///run/valkey.sock?db=x",
        "embedded://host/path",
        "embedded:///path?x=1",
    ],
)
def test_url_of_another_form_is_refused_without_its_password(url: str) -> None:
    """The message says what is wrong and never repeats what may be a password."""
    with pytest.raises(ConfigError) as caught:
        JobQueueConfig(url=url)
    (problem,) = caught.value.problems
    assert problem.kind is ProblemKind.REDIS_URL
    assert "allowed: redis://" in problem.message
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(caught.value)


def test_shown_url_keeps_what_helps() -> None:
    """Host, port and database are shown, since they are what one looks for in a log."""
    assert shown_redis_url(f"redis://user:{PASSWORD}@db.example:6380/2") == "redis://***@db.example:6380/2"
    assert shown_redis_url("unix:///run/v.sock?pass=x") == "unix:///run/v.sock"
