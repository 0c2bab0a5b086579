"""The panels of a picture: each draws one thing of a run, and says to which runs it applies.

To add one, write a function of ``(axes, run)`` under `panel`, or of ``(axes, run, line)`` under
`curves_panel` if several runs can be drawn in it. It is drawn wherever ``when`` is true, in the
order of the definitions.
"""

from . import curves, clock, avalanches, events, branches, cycles, extremal, maps, profiles  # noqa: F401, isort: skip
