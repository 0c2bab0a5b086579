"""A second program of the same model, written from the contract alone; the two are compared."""
