"""The text of an input, and what it says: all that there is before a schema."""

import os
from collections.abc import Sequence

from hpcepm.files import open_regular, told

from .problems import InputError, nearest, shorten
from .strict_yaml import MOST_BYTES, Document, parse


def read_document(path: str, assignments: Sequence[str] = ()) -> tuple[bytes, Document]:
    """Return the bytes of a file that the user named, and what they and assignments say.

    Parameters
    ----------
    path
        The YAML file.
    assignments
        ``key.path=value``, from ``--set``.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    raw = bytes_of(path)
    document = parse(raw, path)
    problems: list[str] = []
    for assignment in assignments:
        try:
            document.set(assignment)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return raw, document


def bytes_of(path: str) -> bytes:
    """Return the content of a file that the user named, cut off where no input goes on."""
    name = shorten(path, 500)
    try:
        with open_regular(path) as file:
            return file.read(MOST_BYTES + 1) or b""  # None: a file of /proc without an end
    except IsADirectoryError:
        said = "is a directory; name the file in it"
        if os.path.exists(os.path.join(path, "run.h5")):
            said = f"is a directory of a run; name its input, or see it by: hpcepm plot {name}"
        raise InputError([f"{name}: {said}"]) from None
    except FileNotFoundError:
        if os.path.islink(path):
            said = f"is a link to {shorten(os.readlink(path), 200)}, and leads nowhere"
            raise InputError([f"{name}: {said}"]) from None
        raise InputError([f"{name}: no such file{_like(path)}"]) from None
    except OSError as error:
        raise InputError([told(name, error)]) from None
    except ValueError:
        raise InputError([f"{name}: is a name that no file can have"]) from None


def _like(path: str) -> str:
    """Suggest a file of a similar name, or say where none is."""
    folder, name = os.path.split(path)
    try:
        files = [one for one in sorted(os.listdir(folder or "."))[:10_000] if "." in one]
    except OSError:
        return f"; there is no folder {shorten(folder, 200)}" if folder else ""
    close = nearest(name, files)
    return f"; did you mean {shorten(os.path.join(folder, close), 200)}?" if close else ""
