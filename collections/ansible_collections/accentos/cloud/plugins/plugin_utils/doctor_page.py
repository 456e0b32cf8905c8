# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Draws a report of the doctor as one page that needs nothing from anywhere. Every text goes through ``_text``."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import printable

_WORDS = {"ok": "well", "warn": "warning", "unknown": "unknown", "fail": "failed"}
_COLUMNS = {"narrow": 2, "wide": 6}
_BOX_WIDTH, _BOX_HEIGHT, _GAP, _BAR = 140, 52, 8, 16
_NAME_LETTERS, _BAR_LETTERS = 17, 36
_NETWORK_COLOURS = 6
_STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;
--ok:#1a7f37;--warn:#8a5a00;--unknown:#6e40c9;--fail:#c21f2b;
--n0:#0969da;--n1:#1a7f37;--n2:#9a6700;--n3:#8250df;--n4:#bf3989;--n5:#57606a}
@media (prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--soft:#9da7b1;--line:#30363d;--card:#161b22;
--ok:#3fb950;--warn:#d8a530;--unknown:#b392f0;--fail:#ff7b72;
--n0:#58a6ff;--n1:#3fb950;--n2:#d8a530;--n3:#b392f0;--n4:#f778ba;--n5:#9da7b1}}
*{box-sizing:border-box}
body{margin:0 auto;padding:12px;max-width:1100px;background:var(--back);color:var(--text);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.4em 0 .4em}h3{font-size:1rem;margin:0}
p{margin:.3em 0}.soft{color:var(--soft)}
.layers{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,
1fr));gap:8px;padding:0;margin:12px 0;list-style:none}
.layers a{display:block;height:100%;padding:8px;border:1px solid var(--line);border-left-width:6px;border-radius:6px;
background:var(--card);color:inherit;text-decoration:none}
article{margin:8px 0;padding:8px 10px;border:1px solid var(--line);border-left-width:6px;border-radius:6px;
background:var(--card)}
dl{margin:.4em 0 0}dt{color:var(--soft);font-size:.85rem}dd{margin:0 0 .4em}
summary{cursor:pointer;padding:.4em 0}ul.well{padding-left:1.2em;margin:.2em 0}
.badge{font-weight:700}.is-ok .badge{color:var(--ok)}.is-warn .badge{color:var(--warn)}
.is-unknown .badge{color:var(--unknown)}.is-fail .badge{color:var(--fail)}
.layers .is-ok,article.is-ok{border-left-color:var(--ok)}
.layers .is-warn,article.is-warn{border-left-color:var(--warn)}
.layers .is-unknown,article.is-unknown{border-left-color:var(--unknown)}
.layers .is-fail,article.is-fail{border-left-color:var(--fail)}
svg{display:block;max-width:100%;height:auto}svg text{fill:var(--text);font:13px system-ui,sans-serif}
svg .small{font-size:11px}svg .box{fill:var(--card);stroke-width:2}
svg .is-ok .box{stroke:var(--ok)}svg .is-warn .box{stroke:var(--warn)}
svg .is-unknown .box{stroke:var(--unknown)}svg .is-fail .box{stroke:var(--fail)}
svg .is-ok .state{fill:var(--ok)}svg .is-warn .state{fill:var(--warn)}
svg .is-unknown .state{fill:var(--unknown)}svg .is-fail .state{fill:var(--fail)}
svg .net0{stroke:var(--n0)}svg .net1{stroke:var(--n1)}svg .net2{stroke:var(--n2)}
svg .net3{stroke:var(--n3)}svg .net4{stroke:var(--n4)}svg .net5{stroke:var(--n5)}
.wide{display:none}@media (min-width:960px){.wide{display:block}.narrow{display:none}}
@media print{.wide{display:none}.narrow{display:block}}
"""


def _text(value: object) -> str:
    """Return a text as it may stand anywhere in the page: nothing in it is markup, or steers what shows it."""
    return html.escape(printable(str(value)), quote=True)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _identifier(layer: str) -> str:
    return "layer-" + "".join(letter if letter.isalnum() else "-" for letter in layer.lower())


def _counted(counts: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{int(counts[state])} {_WORDS[state]}" for state in ("fail", "unknown", "warn", "ok") if counts[state]
    )


def rows_of(hosts: Sequence[Mapping[str, Any]], columns: int) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return hosts by the first of their groups, in rows of at most COLUMNS; a group of many hosts has several rows."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for host in hosts:
        groups.setdefault(host["groups"][0] if host["groups"] else "other", []).append(host)
    return [
        (name, members[at : at + columns]) for name, members in groups.items() for at in range(0, len(members), columns)
    ]


def topology(hosts: Sequence[Mapping[str, Any]], networks: Mapping[str, str], layout: str) -> str:
    """Return a picture of hosts and the networks that they are in, in the LAYOUT narrow or wide.

    A line with gaps leads to a network in which the host has no address.
    """
    columns = _COLUMNS[layout]
    width = columns * (_BOX_WIDTH + _GAP) + _GAP
    at, parts = _GAP, []
    colours = {name: number % _NETWORK_COLOURS for number, name in enumerate(networks)}
    for group, members in rows_of(hosts, columns):
        parts.append(f'<text x="{_GAP}" y="{at + 12}">{_text(_cut(group, _BAR_LETTERS))}</text>')
        at += 20
        used = [name for name in networks if any(name in host["networks"] for host in members)]
        boxes = at + len(used) * (_BAR + 4) + 8
        for number, name in enumerate(used):
            line = at + number * (_BAR + 4) + _BAR
            label = _cut(f"{name} {networks[name]}", _BAR_LETTERS)
            parts.append(
                f'<text class="small" x="{_GAP}" y="{line - 4}">{_text(label)}</text>'
                f'<path class="net{colours[name]}" stroke-width="3" d="M{_GAP} {line}H{width - _GAP}"/>'
            )
            for place, host in enumerate(members):
                if name in host["networks"]:
                    drop = _GAP + place * (_BOX_WIDTH + _GAP) + _BOX_WIDTH - 10 - number * 8
                    # The host is in the network and has no address of its own there.
                    dashes = "none" if name in host["addresses"] else "4 3"
                    parts.append(
                        f'<path class="net{colours[name]}" stroke-width="2" stroke-dasharray="{dashes}" '
                        f'd="M{drop} {line}V{boxes}"/>'
                    )
        parts += [_box(host, _GAP + place * (_BOX_WIDTH + _GAP), boxes) for place, host in enumerate(members)]
        at = boxes + _BOX_HEIGHT + 16
    return (
        f'<svg class="{layout}" xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{at}" '
        f'viewBox="0 0 {width} {at}"><title>Hosts and networks</title>{"".join(parts)}</svg>'
    )


def _box(host: Mapping[str, Any], x: int, y: int) -> str:
    address = next(iter(host["addresses"].values()), "")
    return (
        f'<g class="is-{host["state"]}"><title>{_text(host["name"])}: {_WORDS[host["state"]]}</title>'
        f'<rect class="box" x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5"/>'
        f'<text x="{x + 8}" y="{y + 16}">{_text(_cut(host["name"], _NAME_LETTERS))}</text>'
        f'<text class="small" x="{x + 8}" y="{y + 31}">{_text(_cut(str(address), 21))}</text>'
        f'<text class="small state" x="{x + 8}" y="{y + 45}">{_WORDS[host["state"]]}</text></g>'
    )


def _layer_card(row: Mapping[str, Any]) -> str:
    return (
        f'<li><a class="is-{row["state"]}" href="#{_identifier(row["layer"])}"><h3>{_text(row["layer"])}</h3>'
        f'<span class="badge">{_WORDS[row["state"]]}</span><br><span class="soft">{_counted(row)}</span></a></li>'
    )


def _title(one: Mapping[str, Any]) -> str:
    return _text(f"{one['check']} · {', '.join(one['hosts'])}")


def _problem(one: Mapping[str, Any]) -> str:
    rows = (("Found", "found"), ("Expected", "expected"), ("Why it matters", "why"), ("What to do", "remedy"))
    details = "".join(f"<dt>{title}</dt><dd>{_text(one[key])}</dd>" for title, key in rows)
    return (
        f'<article class="is-{one["state"]}"><h3><span class="badge">{_WORDS[one["state"]]}</span> '
        f"{_title(one)}</h3><dl>{details}</dl></article>"
    )


def _section(layer: str, findings: Iterable[Mapping[str, Any]]) -> str:
    mine = [one for one in findings if one["layer"] == layer]
    well = [one for one in mine if one["state"] == "ok"]
    problems = "".join(_problem(one) for one in mine if one["state"] != "ok")
    items = "".join(f"<li>{_title(one)}: {_text(one['found'])}</li>" for one in well)
    more = (
        f'<details><summary>{len(well)} checks are well</summary><ul class="well">{items}</ul></details>'
        if well
        else ""
    )
    return f'<section id="{_identifier(layer)}"><h2>{_text(layer)}</h2>{problems}{more}</section>'


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report that ``make_report`` made."""
    hosts, networks = report["hosts"], report["site"]["networks"]
    pictures = "".join(topology(hosts, networks, layout) for layout in _COLUMNS)
    if any(set(host["networks"]) - set(host["addresses"]) for host in hosts):
        pictures += '<p class="soft">A line with gaps: the host has no address of its own in that network.</p>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">"
        f"<title>{_text(report['site']['name'])}: state of the cloud</title><style>{_STYLE}</style></head><body>"
        f'<header class="is-{report["state"]}"><h1>{_text(report["site"]["name"])}: '
        f'<span class="badge">{_WORDS[report["state"]]}</span></h1>'
        f'<p class="soft">{_text(report["made"])} · {_counted(report["counts"])}</p></header>'
        f'<main><ul class="layers">{"".join(map(_layer_card, report["layers"]))}</ul>'
        f"<h2>Hosts and networks</h2>{pictures}"
        f"{''.join(_section(row['layer'], report['findings']) for row in report['layers'])}</main></body></html>\n"
    )
