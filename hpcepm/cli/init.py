"""``hpcepm init``: an input to begin with."""

import argparse
import os
from pathlib import Path
from typing import Final

from hpcepm.faults import REACHED

from .base import UsageError, needs_folder, say

DESCRIPTION = "Write a commented input to begin with, and the JSON Schema of inputs for editors."

SCHEMA: Final = "hpcepm.schema.json"

TEXT: Final = f"""\
# yaml-language-server: $schema={SCHEMA}
# An input of hpcepm. By the line above editors with a YAML language server check and complete.
# hpcepm check FILE says what a run of it will take; hpcepm explain KEY, what a key means.

lattice: {{shape: [64, 64]}}             # sites along x and y; a site is some 9 particle diameters

elasticity:                            # in Lennard-Jones units of stress
  shear_modulus: 14.7                  # μ
  bulk_modulus: 52                     # K

kernel: {{type: continuum}}              # how a slip changes stress; or finite_difference, …

thresholds:                            # local yield stresses σ_c: MCT, ESL, GQ, or a distribution
  initial: ESL                         # {{distribution: weibull, mean: 1.6, std: 0.5}}, say
  renewal: MCT                         # after each event of a site

slip: {{c0: 0.0276, c1: 0.0206}}         # the mean slip is c0 + c1 σ_c²

initial_stress: {{std: 0}}               # at strain 0, in equilibrium; 0.175 in atomistic glasses

# yielding: {{sides: two}}               # sites yield backward, too

loading: {{target: 0.3}}                 # the strain ε to reach; the engineering strain is γ = 2ε
# loading: {{control: stress, target: 1.0, until: {{strain: 0.3}}}}
# loading: [{{target: 0.1}}, {{control: stress, target: 0}}, {{target: 0.2}}]
# clock: {{type: thermal, temperature: 0.05}}      # time passes; without, a run is quasi-static
# loading: {{control: stress, target: 0.3, hold: 1.0e6}}

seed: 1                                # another seed, another sample of the same glass
realizations: 1                        # independent samples in one run

output:                                # in runs/ and the name of this file, without directory: …
  observables: {{every: 0.0025}}         # strain between two points of the curves
  fields: {{every: 0.1, names: [sigma, epsilon_p]}}    # strain between two maps

checkpoint: {{every: 30 min, keep: 2}}   # from which --continue goes on
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    said = "the file to write; input.yaml if it is left out"
    parser.add_argument("path", nargs="?", default="input.yaml", help=said)


def carry_out(options: argparse.Namespace) -> int:
    """Write an input; return the exit code."""
    from hpcepm.files import write_told

    from .schema import text

    path = Path(options.path)
    if path.suffix not in (".yaml", ".yml"):
        raise UsageError(f"hpcepm: {path}: an input is a YAML file; name it {path}.yaml, say")
    if os.path.lexists(path):
        raise UsageError(f"hpcepm: {path}: is there already; nothing was written. Name another")
    needs_folder(path)
    schema = path.parent / SCHEMA
    for file, content in ((schema, text()), (path, TEXT)):
        if not os.path.lexists(file):
            write_told(file, content.encode())
    say(f"{path}\n{schema}\nNext: hpcepm check {path}")
    return REACHED
