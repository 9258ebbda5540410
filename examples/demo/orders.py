"""Made-up events of a shop: orders are placed, paid, shipped, moved and deleted. The same at every run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

#: Names the ids of these events, so that publishing them twice adds nothing.
NAMESPACE = UUID("8a0f2f1e-53f5-5d0c-9b1e-2f4f3a9c6d77")
#: Any fixed seed will do.
SEED = 2
FIRST_ORDER_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
COUNTRIES = ("DE", "FR", "CH", "US", "JP")
STATUSES = ("paid", "packed", "shipped", "delivered")

Event = dict[str, Any]


def order_events(count: int) -> Iterator[Event]:
    """Yield ``count`` events as the dicts that a producer would publish."""
    rng = Random(SEED)  # noqa: S311 - the events are to be the same at every run
    orders: list[dict[str, Any]] = []
    for number in range(count):
        step = rng.random()
        if not orders or step < 0.4:
            order = _new_order(rng, number)
            orders.append(order)
            yield _event(number, "INSERT", order, None)
        elif step < 0.9:
            order = rng.choice(orders)
            changes = _change(rng, order)
            yield _event(number, "UPDATE", order, changes)
        else:
            yield _event(number, "DELETE", orders.pop(rng.randrange(len(orders))), None)


def _event(number: int, kind: str, order: dict[str, Any], changes: dict[str, Any] | None) -> Event:
    return {
        "id": str(uuid5(NAMESPACE, f"event {number}")),
        "event_type": kind,
        "entity_type": "Order",
        "entity_id": str(uuid5(NAMESPACE, f"order {order['number']}")),
        "data": dict(order),
        "changes": changes,
        "timestamp": (FIRST_ORDER_AT + timedelta(seconds=7 * number)).isoformat(),
    }


def _new_order(rng: Random, number: int) -> dict[str, Any]:
    order: dict[str, Any] = {
        "number": f"A-{number:05}",
        "status": "new",
        "total": rng.choice((12.5, 48, 99.99, 100, 250, 1200)),
        "customer": {
            "tier": rng.choice(("basic", "gold")),
            "address": {"country": rng.choice(COUNTRIES)},
        },
    }
    # Not every order has these: rules about them need `?` or has_field.
    if rng.random() < 0.3:
        order["coupon"] = {
            "code": rng.choice(("SPRING", "FRIEND")),
            "percent": rng.choice((5, 10, 25)),
        }
    if rng.random() < 0.2:
        order["gift"] = {
            "wrap": rng.random() < 0.7,
            "message": 'Happy birthday,\n"Ana"!',
        }
    return order


def _change(rng: Random, order: dict[str, Any]) -> dict[str, Any]:
    """Change an order in place, and return what changed."""
    what = rng.random()
    if what < 0.6:
        old, new = order["status"], rng.choice(STATUSES)
        order["status"] = new
        return {"status": {"old": old, "new": new}}
    if what < 0.8:
        old_customer = order["customer"]
        order["customer"] = old_customer | {"address": {"country": rng.choice(COUNTRIES)}}
        return {"customer": {"old": old_customer, "new": order["customer"]}}
    old_total, new_total = order["total"], round(order["total"] * 0.9, 2)
    order["total"] = new_total
    return {"total": {"old": old_total, "new": new_total}}
