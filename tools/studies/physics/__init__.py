"""Physics verification: avalanches, the pseudo-gap, diffusion and shear bands, beside what the literature says."""
