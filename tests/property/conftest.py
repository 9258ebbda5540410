"""How many examples the property tests try: few in continuous integration, many with `make property`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

# The deadline of an example would measure how busy the machine is; the timeout of the whole test stays.
# Explaining a failure traces every line, which takes longer than the tests; shrinking says enough.
_CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)

# The same examples each time, so that the shares that some tests demand are no matter of luck.
settings.register_profile("short", _CALM, max_examples=300, derandomize=True, database=None)
settings.register_profile("long", _CALM, max_examples=40_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
