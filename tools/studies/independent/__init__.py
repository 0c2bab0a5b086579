"""A second program of the same model, written from the contract alone, and the comparison of the two."""
