# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets many simulated machines fetch kernel, ramdisk and root image from a deploy host at the same moment.

    .venv/bin/python tests/benchmark/boot_clients.py --inventory <site folder> [--clients 1 20 200]

The clients run on the deploy host itself and reach it over loopback, kernel and ramdisk by HTTP and the image by HTTPS,
as machines do. Each file must arrive whole. Where only bandwidth limits them, the bytes per second stay the same
however many they are. It measures and judges nothing, so it is no test.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Runs on the deploy host: starts curl with as many clients as are asked for, and prints what became of each file.
FETCH = r"""
import json, pathlib, subprocess, sys, time
address, clients = json.loads(sys.argv[1])
boot, images = pathlib.Path("/srv/accentos/boot"), pathlib.Path("/srv/accentos/images")
found = [path for path in sorted(boot.glob("*/*")) if path.is_file()]
files = [(f"http://{address}/boot/{path.relative_to(boot)}", path) for path in found]
image = sorted(images.glob("*/root.img.zst"))[0]
files.append((f"https://{address}/images/{image.relative_to(images)}", image))
sizes = sorted(path.stat().st_size for _url, path in files) * clients
config = "".join(f'url = "{url}"\noutput = "/dev/null"\n' for url, _path in files for _client in range(clients))
command = ["curl", "--silent", "--show-error", "--parallel", "--parallel-immediate", "--parallel-max", "300",
    "--cacert", "/etc/accentos/pki/ca.crt", "--write-out", "%{http_code} %{size_download} %{time_total}\n",
    "--config", "-"]
started = time.monotonic()
done = subprocess.run(command, input=config, capture_output=True, text=True)
seconds = time.monotonic() - started
rows = [line.split() for line in done.stdout.splitlines()]
whole = sorted(int(size) for code, size, _time in rows if code == "200") == sorted(sizes)
print(json.dumps({"whole": whole and done.returncode == 0, "files": len(rows), "bytes": sum(sizes), "seconds": seconds,
    "slowest": max((float(row[2]) for row in rows), default=0.0), "said": done.stderr[-500:]}))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 20, 200])
    arguments = parser.parse_args()
    command = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", arguments.inventory, "--host", "deploy-1"]
    host = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    ssh = ["ssh", "-F", str(ROOT / ".lab" / host["lab_name"] / "ssh_config"), "deploy-1", "python3", "-"]
    sys.stdout.write("clients  files     GiB  seconds  slowest  MiB/s  ratio\n")
    first = 0.0
    for clients in arguments.clients:
        question = json.dumps([host["host_addresses"]["management"], clients])
        # The program comes over the standard input, with its argument before it.
        program = f"import sys; sys.argv[1:] = [{question!r}]\n{FETCH}"
        done = subprocess.run(ssh, input=program, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        found = json.loads(done.stdout)
        if not found["whole"]:
            sys.exit(f"with {clients} clients not every file arrived whole: {found}")
        rate = found["bytes"] / 2**20 / found["seconds"]
        first = first or rate
        sys.stdout.write(
            f"{clients:7}{found['files']:7}{found['bytes'] / 2**30:8.1f}{found['seconds']:9.1f}{found['slowest']:9.1f}"
            f"{rate:7.0f}{first / rate:7.2f}\n"
        )


if __name__ == "__main__":
    main()
