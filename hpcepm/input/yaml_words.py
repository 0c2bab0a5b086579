"""What is wrong with a text that is not YAML, in the words of whoever wrote it."""

import re
from typing import Any, Final, NamedTuple

import yaml

from .characters import DASHES, first_odd, remedy_for
from .problems import shorten

CLOSES: Final = {"[": "]", "{": "}"}


class Slip(NamedTuple):
    """Where something is wrong, counted from 0, and what; no line if that is not known."""

    line: int | None
    column: int
    said: str


def slip_of(text: str, error: Exception) -> Slip:
    """Return what a parser stumbled over, and what to write."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        said = "stands here, which cannot be seen; remove it"
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return Slip(line, column, f"the character U+{code:04X} {said}")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # \U00110000, beyond Unicode
        return Slip(None, 0, ESCAPE)
    return _Reader(text, error, mark).slip()


ESCAPE: Final = "between \" a backslash begins a code such as \\n; write / instead, or '…'"
GENERAL: Final = "cannot be read here; look for a ':', a bracket or a quotation mark before it"
LATE: Final = {
    "sequence entries": "an item '- …' begins a line of its own; or write a list as [a, b]",
    "block scalar": "'|' and '>' are of no use in an input; write the text between '",
    "alias": "aliases and anchors (* and &) are not allowed; write the value out, or between '",
    "anchor": "aliases and anchors (* and &) are not allowed; write the value out, or between '",
    "escape": ESCAPE,
    "YAML document": "leave out the line that begins with %",
    "directive": "leave out the line that begins with %",
}
"""By what the parser speaks of."""


class _Reader:
    """What is known of one error: the text, what the parser says, and where."""

    def __init__(self, text: str, error: Any, mark: Any) -> None:
        self.lines = [line.removesuffix("\r") for line in text.split("\n")]
        self.problem, self.context = error.problem or "", error.context or ""
        self.line, self.column = mark.line, mark.column
        self.begin = error.context_mark

    def slip(self) -> Slip:
        """Return what is wrong: the first of the explanations that fits."""
        explanations = (self._tab, self._odd, self._bracket, self._quotes, self._colon)
        for explain in (*explanations, self._indentation, self._symbol):
            if (found := explain()) is not None:
                return found
        spoken = f"{self.context} {self.problem}"
        said = next((said for key, said in LATE.items() if key in spoken), GENERAL)
        return self._here(said)

    def _here(self, said: str) -> Slip:
        return Slip(self.line, self.column, said)

    def _text(self, line: int) -> str:
        return self.lines[line] if line < len(self.lines) else ""

    @property
    def _got(self) -> str:
        """The token that the parser did not expect."""
        found = re.search(r"(?:but got|but found) '(.+)'", self.problem)
        return found[1] if found else ""

    def _tab(self) -> Slip | None:
        if "\\t" not in self.problem and self._text(self.line)[self.column :][:1] != "\t":
            return None
        first = not self._text(self.line)[: self.column].strip()
        return self._here("indent by spaces, not tabs" if first else "a tab; write spaces")

    def _odd(self) -> Slip | None:
        """Blame a character that only looks like one of YAML, in these lines."""
        for line in sorted({self.begin.line if self.begin else self.line, self.line}):
            text = self._text(line).partition("#")[0]
            if (column := first_odd(text, but=DASHES)) is not None:
                return Slip(line, column, remedy_for(text[column]))
        return None

    def _bracket(self) -> Slip | None:
        if self.problem.startswith("expected the node content"):
            if self._got == ",":
                return self._here("a value is missing before ','")
            return self._here(f"'{self._got}' closes nothing, or a value is missing before it")
        if self.problem.startswith("expected <block end>") and self._got in ("]", "}"):
            return self._here(f"'{self._got}' closes nothing: there is one too many")
        if not self.problem.startswith(("expected ',' or", "expected '<document")):
            return None
        if self.begin is None:
            return None
        opened = self._text(self.begin.line)[self.begin.column]
        closes = CLOSES.get(opened, "]")
        place = f"'{opened}' of {self.begin.line + 1}:{self.begin.column + 1}"
        if self._got in ("]", "}"):
            if self._text(self.line)[self.column + 1 :].lstrip().startswith(closes):
                return self._here(f"'{self._got}' closes nothing: there is one too many")
            return self._here(f"{place} is not closed: '{closes}' is missing before '{self._got}'")
        if self._got == "<stream end>":
            return Slip(
                self.begin.line, self.begin.column, f"'{opened}' is never closed; add '{closes}'"
            )
        if self.line > self.begin.line and self._begins_a_key():
            said = f"is not closed: '{closes}' is missing at the end of line {self.line}"
            return Slip(self.line, 0, f"{place} {said}")
        return self._separator(opened)

    def _begins_a_key(self) -> bool:
        """Return whether a key begins in this line, no deeper than the line of the bracket."""
        depth = len(self._text(self.begin.line)) - len(self._text(self.begin.line).lstrip())
        return bool(re.match(rf"\s{{0,{depth}}}\w[\w.]*\s*:(\s|$)", self._text(self.line)))

    def _separator(self, opened: str) -> Slip:
        """Tell of a comma or a colon that is missing inside brackets."""
        before = re.split(r"[\[{,]", self._text(self.line)[: self.column])[-1].strip()
        word = shorten(before.split()[-1]) if before else ""
        if opened == "{" and self._got in ("[", "{") and ":" not in before:
            return self._here(f"':' is missing after '{word}'; write {word}: {self._got}…")
        if self._got == ":" and before:
            return self._here(f"',' is missing before '{word}'")
        return self._here("',' is missing before this, or a bracket")

    def _quotes(self) -> Slip | None:
        if "quoted scalar" in self.context and "escape" not in self.problem and self.begin:
            mark = self._text(self.begin.line)[self.begin.column]
            said = f"the quotation mark {mark} is not closed"
            return Slip(self.begin.line, self.begin.column, f"{said}; add another {mark}")
        if self.problem.startswith("expected <block end>") and self._got == "<scalar>":
            said = "a quotation mark closes just before this; within '…' write '' for one"
            return self._here(said)
        return None

    def _colon(self) -> Slip | None:
        """Tell of a colon, or the space after it, that is missing, or of one too many."""
        if self.problem == "could not find expected ':'" and self.begin:
            return self._not_a_key(self.begin.line)
        if not self.problem.startswith("mapping values"):
            return None
        before = self._text(self.line)[: self.column]
        if re.search(r":\s", before):
            key, _, rest = before.strip().partition(":")
            inner = f"{shorten(key)}: {{{shorten(rest.strip())}: …}}"
            return self._here(f"a second ':' in one line; write {inner}, or two lines")
        above = next((k for k in range(self.line - 1, -1, -1) if self._text(k).strip()), None)
        if above is None:
            return self._here("a ':' that no key stands before; write key: value")
        if re.search(r":\s", self._text(above)):
            word = shorten(self._text(above).split(":")[0].strip())
            said = f"is indented deeper than '{word}' above, which has a value already"
            return self._here(f"this line {said}; let both begin in one column")
        return self._not_a_key(above)

    def _not_a_key(self, line: int) -> Slip:
        """Tell why a line is no ``key: value``."""
        text = self._text(line)
        column = len(text) - len(text.lstrip())
        said = f"'{shorten(text.strip())}' is no key with a value; write key: value, or # before it"
        return Slip(line, column, no_key(text) or said)

    def _indentation(self) -> Slip | None:
        if self._got in ("<block mapping start>", "-", "<block sequence start>", "?"):
            return self._here("the indentation fits no line above; keys of one section, or items "
                              "of one list, begin in one column")  # fmt: skip
        if self.problem.startswith("expected '<document start>'"):
            return self._here("this does not belong to what stands above; all sections begin in "
                              "the first column, as 'seed: 1'")  # fmt: skip
        return None

    def _symbol(self) -> Slip | None:
        if "cannot start any token" in self.problem:
            here = self._text(self.line)[self.column :][:1]
            return self._here(f"no value begins with {here}; write it between '")
        return None


def no_key(text: str) -> str | None:
    """Say why a text is no ``key: value``, if that can be seen."""
    text = text.strip()
    if found := re.match(r"-([^\s-])", text):
        return f"a space is missing after '-'; write - {found[1]}…"
    for pattern, said in _NO_KEYS.items():
        if found := re.match(r"([A-Za-z_][\w.]*)" + pattern, text):
            key, value = shorten(found[1]), shorten(found[2] or "…")
            return f"{said.format(key=key)} {key}: {value}"
    return None


_NO_KEYS: Final = {
    r"\s*=\s*(.*)": "write ':' instead of '=', as",
    r":(\S.*)": "a space is missing after ':'; write",
    r"(?:\s+(\S.*))?$": "':' is missing after '{key}'; write",
}
"""How what is no key goes on after its first word, and what to say."""
