# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one form in which every benchmark gives its figures to a machine, in a file that its option --json names.

    {"figures": [{"what": "deployment", "value": 300.0, "unit": "s", "beside": {"name": "floor", "value": 200.0},
                  "ratio": 1.5, "bar": {"most": 60, "unit": "s"}, "met": false}],
     "details": ...}

Less is better in every figure. "beside" is the floor or peer that was measured in the same way, in the same unit; the
ratio is the figure's share of it. The bar is in the figure's unit, or in "ratio". What a figure has not is null.
"details" is whatever else the program knows, in a form of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RATIO = "ratio"


class FiguresError(Exception):
    """A file holds no figures in the common form; the text says which and why."""


@dataclass(frozen=True)
class Bar:
    """What a figure is held against: it may be MOST, in its own UNIT or as its ratio."""

    most: float
    unit: str


@dataclass(frozen=True)
class Figure:
    """What was measured: VALUE in UNIT, the name and value of what stands BESIDE it, and its bar, if it has them."""

    what: str
    value: float
    unit: str
    beside: tuple[str, float] | None = None
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        """Return the share of what the figure stands beside, or None where there is nothing to divide by."""
        return self.value / self.beside[1] if self.beside and self.beside[1] else None

    @property
    def met(self) -> bool | None:
        """Tell whether the figure keeps to its bar, or None when it has none. Raises FiguresError."""
        if self.bar is None:
            return None
        judged = self.ratio if self.bar.unit == RATIO else self.value if self.bar.unit == self.unit else None
        if judged is None:
            raise FiguresError(
                f"{self.what}: the bar is in {self.bar.unit!r}, the figure in {self.unit!r}"
                f" and {'beside nothing' if self.ratio is None else 'as a ratio'}"
            )
        return judged <= self.bar.most

    def row(self) -> dict[str, Any]:
        """Return the figure in the common form. Raises FiguresError."""
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "beside": {"name": self.beside[0], "value": self.beside[1]} if self.beside else None,
            "ratio": self.ratio,
            "bar": {"most": self.bar.most, "unit": self.bar.unit} if self.bar else None,
            "met": self.met,
        }


def checked(value: object) -> float:
    """Return VALUE of a row as a number. Raises ValueError or TypeError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return value


def figure_of(row: Mapping[str, Any]) -> Figure:
    """Return the figure of a ROW in the common form. Raises KeyError, TypeError or ValueError."""
    beside, bar = row["beside"], row["bar"]
    return Figure(
        str(row["what"]),
        checked(row["value"]),
        str(row["unit"]),
        (str(beside["name"]), checked(beside["value"])) if beside else None,
        Bar(checked(bar["most"]), str(bar["unit"])) if bar else None,
    )


def write(path: Path, figures: Iterable[Figure], details: object = None) -> None:
    """Write FIGURES, and DETAILS that JSON can hold, to PATH. Raises FiguresError or OSError."""
    told = {"figures": [figure.row() for figure in figures], "details": details}
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> list[Figure]:
    """Return the figures of the file PATH, at least one. Raises FiguresError."""
    try:
        figures = [figure_of(row) for row in json.loads(path.read_text(encoding="utf-8"))["figures"]]
        # A bar in another unit could never be judged.
        for figure in figures:
            figure.row()
    except FileNotFoundError:
        raise FiguresError(f"{path} was not written") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FiguresError(f"{path} holds no figures in the common form: {type(error).__name__}: {error}") from error
    if not figures:
        raise FiguresError(f"{path} holds no figure, so nothing was measured")
    return figures
