"""``python -m hpcepm``, and the command ``hpcepm``."""

import signal


def main() -> None:
    """Carry out the command line of this process, and end it.

    Ctrl-C ends it without a traceback until a command says what else it means.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hpcepm.cli import main as carry_out
    from hpcepm.cli.base import carry_out_with

    carry_out_with(carry_out)


if __name__ == "__main__":
    main()
