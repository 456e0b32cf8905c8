# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets many simulated machines fetch kernel, ramdisk and root image from a deploy host at the same moment.

    .venv/bin/python tests/benchmark/boot_clients.py --inventory <site folder> [--clients 1 50 200] [--json FILE]

The clients run on the deploy host itself and reach it over loopback, kernel and ramdisk by HTTP and the image by HTTPS,
as machines do. Each file must arrive whole. Where only bandwidth limits them, the bytes per second stay the same
however many they are. It is no test: no change is judged by it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmark.catalogue import judged
from tests.benchmark.figures import Figure, write

ROOT = Path(__file__).parents[2]
# Runs on the deploy host: a curl for each client fetches the files one after the other, as a machine does, all at the
# same time. Prints what became of them. Nothing is written: the disk is not what is measured.
FETCH = r"""
import json, pathlib, subprocess, sys, tempfile, time
address, clients = json.loads(sys.argv[1])
boot = pathlib.Path("/srv/accentos/netboot/current/tftp/images/accentos-amd64")
images = pathlib.Path("/srv/accentos/images")
image = images / "base-amd64/root.img.zst"
files = [(f"http://{address}/netboot/images/{boot.name}/{name}", boot / name) for name in ("vmlinuz", "ramdisk.img")]
files.append((f"https://{address}/images/{image.relative_to(images)}", image))
sizes = [str(path.stat().st_size) for _url, path in files]
config = tempfile.NamedTemporaryFile("w", suffix=".curl")
config.write("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url, _path in files))
config.flush()
command = ["curl", "--silent", "--show-error", "--cacert", "/etc/accentos/pki/ca.crt", "--config", config.name,
    "--write-out", "%{http_code} %{size_download} %{time_total}\n"]
started = time.monotonic()
running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(clients)]
ended, seconds, wrong = [client.communicate() for client in running], time.monotonic() - started, []
times = []
for out, said in ended:
    rows = [line.split() for line in out.splitlines()]
    times.append(sum(float(row[2]) for row in rows))
    if [row[:2] for row in rows] != [["200", size] for size in sizes]:
        wrong.append(out + said)
print(json.dumps({"wrong": len(wrong), "said": wrong[:3], "bytes": sum(map(int, sizes)) * clients, "seconds": seconds,
    "median": sorted(times)[len(times) // 2], "slowest": max(times)}))
"""


def results(measured: Sequence[tuple[int, Mapping[str, Any]]]) -> list[Figure]:
    """Return the figures of what was MEASURED with so many clients each.

    The first of them is the peer: at its bytes per second the others would have taken as long as stands beside them.
    """
    (_clients, first), *_others = measured
    peer = f"at the rate of {measured[0][0]}"
    rows = [
        Figure(
            f"{clients} clients fetch",
            found["seconds"],
            "s",
            (peer, first["seconds"] * found["bytes"] / first["bytes"]),
        )
        for clients, found in measured
    ]
    return judged("boot_clients", rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures for machines, too")
    arguments = parser.parse_args()
    command = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", arguments.inventory, "--host", "deploy-1"]
    host = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    ssh = ["ssh", "-F", str(ROOT / ".lab" / host["lab_name"] / "ssh_config"), "deploy-1", "python3", "-"]
    sys.stdout.write("clients     GiB  seconds  median  slowest  MiB/s  ratio\n")
    first, measured = 0.0, list[tuple[int, Mapping[str, Any]]]()
    for clients in arguments.clients:
        question = json.dumps([host["host_addresses"]["management"], clients])
        # The program comes over the standard input, with its argument before it.
        program = f"import sys; sys.argv[1:] = [{question!r}]\n{FETCH}"
        done = subprocess.run(ssh, input=program, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        found = json.loads(done.stdout)
        if found["wrong"]:
            sys.exit(f"with {clients} clients not every file arrived whole: {found}")
        measured.append((clients, found))
        rate = found["bytes"] / 2**20 / found["seconds"]
        first = first or rate
        sys.stdout.write(
            f"{clients:7}{found['bytes'] / 2**30:8.1f}{found['seconds']:9.1f}{found['median']:8.1f}"
            f"{found['slowest']:9.1f}{rate:7.0f}{first / rate:7.2f}\n"
        )
    if arguments.json:
        write(arguments.json, results(measured), measured)


if __name__ == "__main__":
    main()
