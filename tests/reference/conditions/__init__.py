"""The language of conditions: text to tree, tree to truth, and why.

`parse` raises `NotACondition`, `evaluate` raises `CannotAnswer`; both raise `OutOfScope` where plain Python cannot
know what is right, so that a test can leave such an example out.
"""

from tests.reference.conditions.explain import evaluate, explain
from tests.reference.conditions.parse import parse
from tests.reference.conditions.tree import CannotAnswer, Chain, Leaf, NotACondition, OutOfScope, Tree
from tests.reference.conditions.words import SPACES

__all__ = [
    "SPACES",
    "CannotAnswer",
    "Chain",
    "Leaf",
    "NotACondition",
    "OutOfScope",
    "Tree",
    "evaluate",
    "explain",
    "parse",
]
