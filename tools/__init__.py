"""Tools around hpcepm; those in bash are the way in."""
