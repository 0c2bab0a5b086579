"""Where the time of a step goes, on any number of ranks: recorded steps, replayed by a model."""
