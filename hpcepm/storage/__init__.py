"""Files of a run: fields, tables, checkpoints, and the directory that holds them."""
