"""A run in which one number of realization 4 is NaN."""

import sys
from typing import Any

from hpcepm.cli import main
from hpcepm.model.dynamics import Dynamics

_begin = Dynamics.begin


def _poisoned(self: Dynamics, glass: Any, state: Any = None) -> None:
    _begin(self, glass, state)
    if glass.realization == 4:
        self.state.fields.sigma_c[1, 2] = float("nan")


if __name__ == "__main__":
    Dynamics.begin = _poisoned  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
