"""Many runs of one input: all combinations of values of some keys (docs/sweeps.md)."""
