# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Draws a report of the doctor as one page that needs nothing from anywhere. Every text goes through ``text``.

The page is XML, too: a parser that forgives nothing reads it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import STATES
from ansible_collections.accentos.cloud.plugins.plugin_utils.doctor_picture import (
    COLUMNS,
    MARKS,
    WORDS,
    counted,
    rows_of,
    several,
    text,
    topology,
)

# With more hosts a title has only the first.
_HOSTS_OF_TITLE = 6
# Texts have a contrast of 4.5 with what is behind them, lines one of 3; a test computes it.
_STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--card:#f6f8fa;
--ok:#1a7f37;--warn:#8a5a00;--unknown:#6e40c9;--fail:#c21f2b;
--n0:#0969da;--n1:#1a7f37;--n2:#9a6700;--n3:#8250df;--n4:#bf3989;--n5:#57606a}
@media screen and (prefers-color-scheme:dark){
:root{--back:#0d1117;--text:#e6edf3;--soft:#9da7b1;--line:#30363d;--card:#161b22;
--ok:#3fb950;--warn:#d8a530;--unknown:#b392f0;--fail:#ff7b72;
--n0:#58a6ff;--n1:#3fb950;--n2:#d8a530;--n3:#b392f0;--n4:#f778ba;--n5:#9da7b1}}
@media (forced-colors:active){
:root{--back:Canvas;--text:CanvasText;--soft:CanvasText;--line:CanvasText;--card:Canvas;
--ok:CanvasText;--warn:CanvasText;--unknown:CanvasText;--fail:CanvasText;
--n0:CanvasText;--n1:CanvasText;--n2:CanvasText;--n3:CanvasText;--n4:CanvasText;--n5:CanvasText}}
*{box-sizing:border-box}
body{margin:0 auto;padding:12px;max-width:1100px;background:var(--back);color:var(--text);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere;-webkit-text-size-adjust:100%;text-size-adjust:100%}
h1{font-size:1.4rem;margin:.2em 0}h2{font-size:1.15rem;margin:1.4em 0 .4em}h3{font-size:1rem;margin:0}
p{margin:.3em 0}.soft{color:var(--soft)}
:focus-visible{outline:3px solid var(--n0);outline-offset:2px}
.layers{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:8px;padding:0;margin:12px 0;
list-style:none}
.layers a{display:block;height:100%;padding:8px;border:1px solid var(--line);border-left-width:6px;border-radius:6px;
background:var(--card);color:inherit;text-decoration:none}
.layers a:hover .name,section:target h2{text-decoration:underline}
.name,.badge{font-weight:700}
article{margin:8px 0;padding:8px 10px;border:1px solid var(--line);border-left-width:6px;border-radius:6px;
background:var(--card)}
dl{margin:.4em 0 0}dt{color:var(--soft);font-size:.85rem}dd{margin:0 0 .4em}
summary{cursor:pointer;padding:.4em 0}ul.plain{padding-left:1.2em;margin:.2em 0}
.is-ok .badge{color:var(--ok)}.is-warn .badge{color:var(--warn)}
.is-unknown .badge{color:var(--unknown)}.is-fail .badge{color:var(--fail)}
.layers .is-ok,article.is-ok{border-left-color:var(--ok)}
.layers .is-warn,article.is-warn{border-left-color:var(--warn)}
.layers .is-unknown,article.is-unknown{border-left-color:var(--unknown)}
.layers .is-fail,article.is-fail{border-left-color:var(--fail)}
svg text{fill:var(--text);font:13px system-ui,sans-serif}
svg .small{font-size:11px}svg .soft{fill:var(--soft)}
svg .label{stroke:var(--back);stroke-width:3px;stroke-linejoin:round;paint-order:stroke}
svg .box{fill:var(--card);stroke-width:2}svg .frame{fill:none;stroke:var(--soft)}
svg .is-ok .box,svg .is-ok .square{stroke:var(--ok)}
svg .is-warn .box,svg .is-warn .square{stroke:var(--warn)}
svg .is-unknown .box,svg .is-unknown .square{stroke:var(--unknown)}
svg .is-fail .box,svg .is-fail .square{stroke:var(--fail)}
svg .is-ok .square{fill:none}svg .is-warn .square{fill:var(--warn)}
svg .is-unknown .square{fill:var(--unknown)}svg .is-fail .square{fill:var(--fail)}
svg .mark{fill:var(--back);font-weight:700;text-anchor:middle}
svg .is-ok .state{fill:var(--ok)}svg .is-warn .state{fill:var(--warn)}
svg .is-unknown .state{fill:var(--unknown)}svg .is-fail .state{fill:var(--fail)}
svg .net0{stroke:var(--n0)}svg .net1{stroke:var(--n1)}svg .net2{stroke:var(--n2)}
svg .net3{stroke:var(--n3)}svg .net4{stroke:var(--n4)}svg .net5{stroke:var(--n5)}
svg .dot{fill:var(--back);stroke-width:2}
.picture{display:none;max-width:100%;height:auto}.narrow{display:block}
@media (min-width:640px){dl{display:grid;grid-template-columns:8.5em 1fr;align-items:baseline}
.narrow{display:none}.middle{display:block}}
@media (min-width:960px){.middle{display:none}.wide{display:block}}
@media print{:root{font-size:12px}body{max-width:none;padding:0;font-size:1rem}
.narrow,.wide{display:none}.middle{display:block}
article,li,svg svg{break-inside:avoid}h2,h3,summary{break-after:avoid}
details::details-content{content-visibility:visible;block-size:auto}}
"""
# No style but this one is applied, whatever a text might bring along.
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none';style-src 'sha256-{_DIGEST}';base-uri 'none';form-action 'none'"


def _identifier(layer: str) -> str:
    return "layer-" + "".join(letter if letter.isalnum() else "-" for letter in layer.lower())


def _layer_card(row: Mapping[str, Any]) -> str:
    return (
        f'<li><a class="is-{row["state"]}" href="#{_identifier(row["layer"])}">'
        f'<span class="name">{text(row["layer"])}</span><br/><span class="badge">{WORDS[row["state"]]}</span><br/>'
        f'<span class="soft">{counted(row)}</span></a></li>'
    )


def _title(one: Mapping[str, Any]) -> str:
    hosts = one["hosts"]
    more = f" and {len(hosts) - _HOSTS_OF_TITLE} more" if len(hosts) > _HOSTS_OF_TITLE else ""
    return text(f"{one['check']} · {', '.join(hosts[:_HOSTS_OF_TITLE])}{more}")


def _problem(one: Mapping[str, Any]) -> str:
    rows = [("Found", "found"), ("Expected", "expected"), ("Why it matters", "why"), ("What to do", "remedy")]
    details = "".join(f"<dt>{title}</dt><dd>{text(one[key])}</dd>" for title, key in rows)
    if len(one["hosts"]) > _HOSTS_OF_TITLE:
        details += f"<dt>Hosts</dt><dd>{text(', '.join(one['hosts']))}</dd>"
    return (
        f'<article class="is-{one["state"]}"><h3><span class="badge">{WORDS[one["state"]]}</span> '
        f"{_title(one)}</h3><dl>{details}</dl></article>"
    )


def _folded(title: str, items: Iterable[str]) -> str:
    return f'<details><summary>{title}</summary><ul class="plain">{"".join(items)}</ul></details>'


def _section(layer: str, findings: Iterable[Mapping[str, Any]]) -> str:
    mine = [one for one in findings if one["layer"] == layer]
    well = [one for one in mine if one["state"] == "ok"]
    problems = "".join(_problem(one) for one in mine if one["state"] != "ok")
    items = (f"<li>{_title(one)}: {text(one['found'])}</li>" for one in well)
    title = f"{several(len(well), 'check')} {'is' if len(well) == 1 else 'are'} well"
    more = _folded(title, items) if well else ""
    return f'<section id="{_identifier(layer)}"><h2>{text(layer)}</h2>{problems}{more}</section>'


def _host_line(host: Mapping[str, Any]) -> str:
    """Return a host as text, with all that a picture leaves out or cuts."""
    places = [f"{name} {host['addresses'].get(name, 'without an address')}" for name in host["networks"]]
    groups = f" ({', '.join(host['groups'])})" if host["groups"] else ""
    told = f"{host['name']}{groups}: {', '.join(places) or 'in no known network'}"
    return f'<li class="is-{host["state"]}"><span class="badge">{WORDS[host["state"]]}</span> {text(told)}</li>'


def _hosts(hosts: Sequence[Mapping[str, Any]], networks: Mapping[str, str]) -> str:
    told = "".join(topology(hosts, networks, layout) for layout in COLUMNS)
    legend = []
    if any(set(host["networks"]) - set(host["addresses"]) for host in hosts):
        legend.append("A line with gaps: without an address of its own in that network.")
    # What is drawn as squares does not depend on the width.
    if any(row.squares for row in rows_of(hosts, 1)):
        marks = ", ".join(f"{MARKS[state]} {WORDS[state]}" for state in STATES if state in MARKS)
        legend.append(f"A square is a host: {marks}, empty well.")
    if legend:
        told += f'<p class="soft">{" ".join(legend)}</p>'
    return told + _folded(f"{several(len(hosts), 'host')} as text", map(_host_line, hosts))


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report that ``make_report`` made."""
    name, state = text(report["site"]["name"]), WORDS[report["state"]]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"/>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>'
        f"<title>{name}: {state} · state of the cloud</title><style>{_STYLE}</style></head><body>"
        f'<header class="is-{report["state"]}"><h1>{name}: <span class="badge">{state}</span></h1>'
        f'<p class="soft">{text(report["made"])} · {counted(report["counts"])}</p></header>'
        f'<main><nav aria-label="Layers"><ul class="layers">{"".join(map(_layer_card, report["layers"]))}</ul></nav>'
        f"<h2>Hosts and networks</h2>{_hosts(report['hosts'], report['site']['networks'])}"
        f"{''.join(_section(row['layer'], report['findings']) for row in report['layers'])}</main></body></html>\n"
    )
