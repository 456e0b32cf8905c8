# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The outlets behind snmpd, over its pass_persist protocol: snmp_outlets.py FOLDER.

An outlet is a file FOLDER/outlet-<maker>-<index> with on or off. What each maker's columns mean is written here from
the MIBs once more, so that a wrong number in the tables of the driver shows.
Faults in FOLDER/faults.json: ignore - what is written is accepted and not carried out; stuck - the names of the files
of outlets that this holds for alone; value - what every outlet shows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

BASE = ".1.3.6.1.4.1."
APC, EATON, RARITAN, BAYTECH, OTHER = (
    "318.1.1.12.3.",
    "534.6.6.7.6.6.1.",
    "13742.6.4.1.2.1.",
    "4779.1.3.5.3.1.",
    "99999.",
)
# Column: maker, number of each state.
READ = {
    f"{APC}5.1.1.4": ("apc", {"on": 1, "off": 2}),
    f"{EATON}2": ("eaton", {"on": 1, "off": 0}),
    f"{RARITAN}3": ("raritan", {"on": 7, "off": 8}),
    f"{BAYTECH}3": ("baytech", {"on": 1, "off": 0}),
    f"{OTHER}1": ("other", {"on": 5, "off": 6}),
}
# Column: maker, state for each number written.
WRITE = {
    f"{APC}3.1.1.4": ("apc", {1: "on", 2: "off"}),
    f"{EATON}4": ("eaton", {0: "on"}),
    f"{EATON}3": ("eaton", {0: "off"}),
    f"{RARITAN}2": ("raritan", {1: "on", 0: "off"}),
    f"{BAYTECH}3": ("baytech", {1: "on", 0: "off"}),
    f"{OTHER}2": ("other", {7: "on", 8: "off"}),
}


def find(columns: dict[str, tuple[str, dict[str, int]]] | dict[str, tuple[str, dict[int, str]]], oid: str) -> str:
    """Return the column that OID is in, or nothing."""
    return next((column for column in columns if oid.startswith(f"{BASE}{column}.")), "")


def get(folder: Path, oid: str) -> list[str]:
    """Answer a request for one object."""
    column = find(READ, oid)
    if not column:
        # snmpd reads an object before it writes it; a unit gives the last command or nothing of meaning.
        written = find(WRITE, oid)
        maker = WRITE[written][0] if written else ""
        there = (folder / f"outlet-{maker}-{oid.removeprefix(f'{BASE}{written}.')}").exists()
        return [oid, "integer", "0"] if there else ["NONE"]
    maker, numbers = READ[column]
    file = folder / f"outlet-{maker}-{oid.removeprefix(f'{BASE}{column}.')}"
    if not file.exists():
        return ["NONE"]
    shown = json.loads((folder / "faults.json").read_text()).get("value", numbers[file.read_text()])
    return [oid, "integer", str(shown)]


def put(folder: Path, oid: str, value: str) -> list[str]:
    """Answer a request to write one object."""
    column = find(WRITE, oid)
    number = int(value.split()[1])
    if not column:
        return ["not-writable"]
    maker, states = WRITE[column]
    file = folder / f"outlet-{maker}-{oid.removeprefix(f'{BASE}{column}.')}"
    if not file.exists() or number not in states:
        return ["wrong-value"]
    with (folder / "calls").open("a") as calls:
        calls.write(f"{file.name}={states[number]}\n")
    faults = json.loads((folder / "faults.json").read_text())
    if not faults.get("ignore") and file.name not in faults.get("stuck", ()):
        file.write_text(states[number])
    return ["DONE"]


def main() -> None:
    """Answer snmpd until it goes."""
    folder = Path(sys.argv[1])
    while line := sys.stdin.readline():
        match line.strip():
            case "PING":
                answer = ["PONG"]
            case "get":
                answer = get(folder, sys.stdin.readline().strip())
            case "set":
                answer = put(folder, sys.stdin.readline().strip(), sys.stdin.readline().strip())
            case "":
                # snmpd ends a request to write with an empty line.
                continue
            case _:
                sys.stdin.readline()
                answer = ["NONE"]
        print(*answer, sep="\n", flush=True)  # noqa: T201 - this is the protocol


if __name__ == "__main__":
    main()
