"""The physics: a glass on a lattice, its loading, and how its stress is redistributed."""
