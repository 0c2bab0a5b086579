"""Studies: larger computations whose results are held against the literature, or each other."""
