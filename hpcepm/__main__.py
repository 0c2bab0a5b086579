"""``python -m hpcepm``, and the command ``hpcepm``."""

from hpcepm.cli import main as carry_out
from hpcepm.cli.base import carry_out_with


def main() -> None:
    """Carry out the command line of this process, and end it."""
    carry_out_with(carry_out)


if __name__ == "__main__":
    main()
