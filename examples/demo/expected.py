"""The rules of ``rules.toml`` once more, in plain Python, to hold the real ones against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID, uuid5

from examples.demo.orders import Event

RULES: dict[str, Callable[[Event], bool]] = {
    "large_order": lambda e: (
        e["event_type"] == "INSERT"
        and e["data"]["total"] >= 100
        and (e["data"]["customer"]["tier"] == "gold" or _country(e) == "CH")
    ),
    "order_shipped": lambda e: _new(e, "status") == "shipped" and e["data"]["total"] > 40,
    "order_reopened": lambda e: _old(e, "status") == "delivered" and e["data"]["status"] != "delivered",
    "coupon_used": lambda e: (
        e["event_type"] == "INSERT"
        and "coupon" in e["data"]
        and (e["data"]["coupon"]["code"] == "SPRING" or e["data"]["coupon"]["percent"] >= 25)
    ),
    "gift_to_wrap": lambda e: (
        e["data"].get("gift", {}).get("wrap") is True and e["data"]["status"] != "delivered"
    ),
    "customer_moved": lambda e: _new(e, "customer") is not None and _country(e) != "JP",
    "order_deleted": lambda e: e["event_type"] == "DELETE",
    "gold_discount": lambda e: _new(e, "total") is not None and e["data"]["customer"]["tier"] == "gold",
}


def expected_jobs(events: Iterable[Event]) -> dict[UUID, str]:
    """Return the id of every job that the events must make, with the rule behind it.

    The id of a job follows from the event and the rule, which is why nothing is done twice when an event is
    published twice.
    """
    return {
        uuid5(UUID(event["id"]), f"0:{name}"): name
        for event in events
        for name, holds in RULES.items()
        if holds(event)
    }


def _country(event: Event) -> object:
    return event["data"]["customer"]["address"]["country"]


def _old(event: Event, field: str) -> object:
    return (event["changes"] or {}).get(field, {}).get("old")


def _new(event: Event, field: str) -> object:
    return (event["changes"] or {}).get(field, {}).get("new")
