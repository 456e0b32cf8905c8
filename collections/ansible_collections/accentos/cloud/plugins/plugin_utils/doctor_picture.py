# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Draws the hosts of a site and the networks that they are in. Every text goes through ``text``. Pure functions."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import STATES
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import printable

Host = Mapping[str, Any]

WORDS = {"ok": "well", "warn": "warning", "unknown": "unknown", "fail": "failed"}
# What a square says besides its colour.
MARKS = {"warn": "!", "unknown": "?", "fail": "\N{MULTIPLICATION SIGN}"}
# Of these pictures a page shows the one that fits: hosts in a row.
COLUMNS = {"narrow": 2, "middle": 4, "wide": 6}
NETWORK_COLOURS = 6
_BOX_WIDTH, _BOX_HEIGHT, _GAP, _BAR, _SQUARE = 140, 66, 8, 20, 18
# Between the last network and what is below it, so that gaps in a line are seen.
_DROP = 14
_NAME_LETTERS, _LINE_LETTERS, _BAR_LETTERS = 17, 21, 15
# With more hosts than _FEW a group has at most _FEW_OF_GROUP boxes, else it may have _MOST_OF_GROUP.
_FEW, _FEW_OF_GROUP, _MOST_OF_GROUP = 24, 3, 12
_MOST_UNWELL = 12


def text(value: object) -> str:
    """Return a text as it may stand anywhere in the page: nothing in it is markup, or steers what shows it."""
    return html.escape(printable(str(value)), quote=True)


def several(number: int, thing: str) -> str:
    """Return a number of things, in words."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def counted(counts: Mapping[str, Any]) -> str:
    """Return how many there are of each state, in words."""
    return ", ".join(
        several(counts[state], WORDS[state]) if state == "warn" else f"{int(counts[state])} {WORDS[state]}"
        for state in STATES
        if counts[state]
    )


def cut(value: str, letters: int) -> str:
    """Return a text with at most so many LETTERS. Both ends stay: names of hosts often differ at the end."""
    if len(value) <= letters:
        return value
    end = (letters - 1) // 2
    return f"{value[: letters - 1 - end]}…{value[len(value) - end :]}"


@dataclass(frozen=True)
class Row:
    """A row of the picture: hosts as BOXES, or those of a GROUP as SQUARES."""

    boxes: Sequence[Host] = ()
    squares: Sequence[Host] = ()
    group: str = ""


def rows_of(hosts: Sequence[Host], columns: int) -> list[Row]:
    """Return hosts in rows of at most COLUMNS, by the first of their groups.

    Of a group with many hosts only those that are not well are boxes, the worst of them; the others are squares.
    """
    groups: dict[str, list[Host]] = {}
    for host in hosts:
        groups.setdefault(host["groups"][0] if host["groups"] else "other", []).append(host)
    most = _FEW_OF_GROUP if len(hosts) > _FEW else _MOST_OF_GROUP
    rows: list[Row] = []
    waiting: list[Host] = []

    def fill() -> None:
        rows.extend(Row(boxes=waiting[at : at + columns]) for at in range(0, len(waiting), columns))
        waiting.clear()

    for group, members in groups.items():
        boxes, squares = members, []
        if len(members) > most:
            unwell = [host for host in members if host["state"] != "ok"]
            boxes = sorted(unwell, key=lambda host: STATES.index(host["state"]))[:_MOST_UNWELL]
            # Not by name: two hosts may have none but that of a hidden text.
            drawn = {id(host) for host in boxes}
            squares = [host for host in members if id(host) not in drawn]
        if len(waiting) % columns + len(boxes) > columns:
            fill()
        waiting += boxes
        if squares:
            fill()
            rows.append(Row(squares=squares, group=group))
    fill()
    return rows


@dataclass(frozen=True)
class _Spot:
    """Where lines from networks end: its RIGHT edge, and by network whether each host there has an address in it."""

    right: int
    networks: Mapping[str, bool]


def _spot(hosts: Iterable[Host], right: int) -> _Spot:
    networks: dict[str, bool] = {}
    for host in hosts:
        for name in host["networks"]:
            networks[name] = networks.get(name, True) and name in host["addresses"]
    return _Spot(right, networks)


def _lines(spots: Sequence[_Spot], networks: Mapping[str, str], top: int, width: int) -> tuple[list[str], int]:
    """Return networks as bars below TOP, with lines down to the spots, and where the lines end."""
    used = [name for name in networks if any(name in spot.networks for spot in spots)]
    bottom = top + len(used) * _BAR + _DROP
    lines, labels = [], []
    for number, name in enumerate(used):
        y = top + (number + 1) * _BAR - 4
        colour = f"net{list(networks).index(name) % NETWORK_COLOURS}"
        lines.append(f'<path class="{colour}" stroke-width="3" d="M{_GAP} {y}H{width - _GAP}"/>')
        for spot in spots:
            if name in spot.networks:
                x = spot.right - 10 - number * 10
                dashes = "none" if spot.networks[name] else "4 3"
                # The dot tells this network from those that the line only crosses.
                lines.append(
                    f'<path class="{colour}" stroke-width="2" stroke-dasharray="{dashes}" d="M{x} {y}V{bottom}"/>'
                    f'<circle class="{colour} dot" cx="{x}" cy="{y}" r="4"/>'
                )
        # Each in a column of its own, left of where lines to a host in it would cross it.
        for column, label in enumerate((name, networks[name])):
            x = _GAP + column * (_BOX_WIDTH + _GAP)
            labels.append(f'<text class="small label" x="{x}" y="{y - 5}">{text(cut(label, _BAR_LETTERS))}</text>')
    return lines + labels, bottom


def _box(host: Host, x: int, y: int) -> str:
    """Return a host as a box. It is a picture of its own, so that no text leaves it."""
    address = next(iter(host["addresses"].values()), "")
    groups = ", ".join(host["groups"])
    return (
        f'<svg class="is-{host["state"]}" x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}">'
        f"<title>{text(host['name'])}: {WORDS[host['state']]}</title>"
        f'<rect class="box" x="2" y="2" width="{_BOX_WIDTH - 4}" height="{_BOX_HEIGHT - 4}" rx="5"/>'
        f'<text x="9" y="17">{text(cut(host["name"], _NAME_LETTERS))}</text>'
        f'<text class="small soft" x="9" y="31">{text(cut(groups, _LINE_LETTERS))}</text>'
        f'<text class="small" x="9" y="45">{text(cut(str(address), _LINE_LETTERS))}</text>'
        f'<text class="small state" x="9" y="58">{WORDS[host["state"]]}</text></svg>'
    )


def _squares(row: Row, y: int, width: int) -> tuple[str, int]:
    """Return the hosts of a row as squares in one frame, and its height."""
    across = (width - 4 * _GAP) // (_SQUARE + 3)
    height = 28 + -(-len(row.squares) // across) * (_SQUARE + 3) + 4
    told = f"{cut(row.group, _LINE_LETTERS)}: {counted(Counter(host['state'] for host in row.squares))}"
    parts = [
        f'<rect class="frame" x="{_GAP}" y="{y}" width="{width - 2 * _GAP}" height="{height}" rx="5"/>',
        f'<text x="{2 * _GAP}" y="{y + 18}">{text(told)}</text>',
    ]
    for number, host in enumerate(row.squares):
        left = 2 * _GAP + number % across * (_SQUARE + 3)
        above = y + 28 + number // across * (_SQUARE + 3)
        mark = MARKS.get(host["state"])
        shown = f'<text class="mark" x="{left + _SQUARE // 2}" y="{above + 14}">{mark}</text>' if mark else ""
        parts.append(
            f'<g class="is-{host["state"]}"><title>{text(host["name"])}: {WORDS[host["state"]]}</title>'
            f'<rect class="square" x="{left}" y="{above}" width="{_SQUARE}" height="{_SQUARE}" rx="3"/>{shown}</g>'
        )
    return "".join(parts), height


def topology(hosts: Sequence[Host], networks: Mapping[str, str], layout: str) -> str:
    """Return a picture of hosts and the networks that they are in, in one of the layouts of COLUMNS.

    A line with gaps leads to a network in which the host has no address. NETWORKS are their ranges by name.
    """
    columns = COLUMNS[layout]
    width = columns * (_BOX_WIDTH + _GAP) + _GAP
    at, parts = 0, []
    for row in rows_of(hosts, columns):
        places = [_GAP + place * (_BOX_WIDTH + _GAP) for place in range(len(row.boxes))]
        spots = [_spot([host], x + _BOX_WIDTH) for host, x in zip(row.boxes, places, strict=True)]
        lines, bottom = _lines(spots or [_spot(row.squares, width - _GAP)], networks, at, width)
        parts += [*lines, *(_box(host, x, bottom - 2) for host, x in zip(row.boxes, places, strict=True))]
        height = _BOX_HEIGHT
        if row.squares:
            squares, height = _squares(row, bottom, width)
            parts.append(squares)
        at = bottom + height + 2 * _GAP
    told = f"{several(len(hosts), 'host')} with networks; the same as text is below"
    return (
        f'<svg class="picture {layout}" xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{at}" '
        f'viewBox="0 0 {width} {at}"><title>{told}</title>{"".join(parts)}</svg>'
    )
