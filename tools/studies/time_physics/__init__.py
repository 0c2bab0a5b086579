"""Physics of clocks: creep, rounding by heat, flow curves, their limits, mean field."""
