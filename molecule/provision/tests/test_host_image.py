# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images on the deploy host: built once, whole after a kill, and a ramdisk that boots and says why it cannot go on."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from tools.playbook_runs import ROOT

from .machines import playbook, start_playbook

FOLDER = "/srv/accentos"
TOOLS = "qemu-system-x86 ipxe-qemu"

HEAD = """\
---
- name: Images
  hosts: deploy-1
  gather_facts: false
  tasks:
"""
PLAY = f"""\
{HEAD}    - name: Build the images of the site
      ansible.builtin.import_role:
        name: accentos.cloud.host_image
"""

# An image of so many MiB in a folder that holds 32.
FULL = "/srv/full"
FULL_PLAY = f"""\
{HEAD}    - name: Build an image
      accentos.cloud.host_image_build:
        images:
          - folder: {FULL}
            name: base-amd64
            architecture: amd64
            program: build
            files: {{build: "mkdir out; echo '{{}}' >out/info.json; head -c SIZEM /dev/urandom >out/root.img.zst"}}
            outputs: [root.img.zst]
            space_mib: SPACE
"""

# A machine without a disk, whose network answers DHCP and leads nowhere. Its serial console is a socket.
MACHINE = (
    "qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -machine q35 -nodefaults -display none "
    "-no-reboot -nic user,restrict=on,model=virtio-net-pci -serial unix:/run/test-console,server=on,wait=on "
    f"-kernel {FOLDER}/boot/amd64/vmlinuz -initrd {FOLDER}/boot/amd64/ramdisk.img -append "
)

# A second card of it, whose wire is a pair of UDP ports: what is sent to the first one is received by the card.
WIRE = (
    "-netdev dgram,id=wire,local.type=inet,local.host=127.0.0.1,local.port=9094,"
    "remote.type=inet,remote.host=127.0.0.1,remote.port=9093 -device virtio-net-pci,netdev=wire "
)
ANNOUNCE = r"""
import socket, sys, time
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    wire.sendto(bytes.fromhex(sys.argv[1]), ("127.0.0.1", 9094))
    time.sleep(1)
"""

# Reads the console until a text comes; then types a line and reads until its answer comes. Prints all of it.
CONSOLE = r"""
import socket, sys, time
first, line, answer, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
end = time.monotonic() + seconds
while True:
    console = socket.socket(socket.AF_UNIX)
    try:
        console.connect("/run/test-console")
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.2)
seen = b""
def read_until(text, start=0):
    global seen
    while text.encode() not in seen[start:]:
        console.settimeout(max(0.1, end - time.monotonic()))
        piece = console.recv(65536)
        if not piece:
            raise EOFError
        seen += piece
try:
    read_until(first)
    start = len(seen)
    console.sendall(line.encode() + b"\n")
    read_until(answer, start)
    print("ANSWERED")
except (TimeoutError, EOFError):
    print("NOT ANSWERED")
print(seen.decode(errors="replace"))
"""


def listing(host: Host) -> str:
    """Return names, inode numbers and times of all that is published or being built."""
    return str(host.check_output(f"find {FOLDER}/boot {FOLDER}/images -printf '%p %i %T@\\n' | sort"))


def description(host: Host, image: str) -> dict[str, Any]:
    """Return the published description of an image."""
    described: dict[str, Any] = json.loads(host.check_output(f"cat {FOLDER}/{image}/image.json"))
    return described


def settled(listed: str) -> list[str]:
    """Return a listing without the two folders themselves, whose times tell that something came and went in them."""
    return [line for line in listed.splitlines() if line.split()[0] not in (f"{FOLDER}/boot", f"{FOLDER}/images")]


def changed(said: str) -> int:
    """Return how many tasks a playbook changed on the deploy host by what it SAID."""
    return int(re.findall(r"deploy-1 .*changed=(\d+)", said)[-1])


def test_a_killed_build_leaves_the_images_that_were_there(host: Host, tmp_path: Path) -> None:
    play = tmp_path / "images.yml"
    play.write_text(PLAY, encoding="utf-8")
    before = listing(host)
    running = start_playbook(str(play), "--extra-vars", "host_image_edition=killed")
    host.check_output(f"timeout 300 sh -c 'until [ -e {FOLDER}/boot/.building-amd64/root/usr ]; do sleep 0.1; done'")
    # Its workers are in sessions of their own; the name of the play is in their command line too, and in no other.
    subprocess.run(["pkill", "-KILL", "-f", str(play)], check=True)
    running.wait()
    # The program is in a process namespace of its own, which ends with the module.
    host.check_output("pkill -KILL -f '[h]ost_image_build'; sleep 1; ! pgrep -f '[m]mdebstrap'")
    assert listing(host) != before
    # The next run tidies up and has nothing to build; the one after it nothing to do.
    assert changed(playbook(str(play))) == 1
    assert settled(listing(host)) == settled(before)
    assert host.run("grep /srv/accentos/boot/.building /proc/mounts").stdout == ""
    assert changed(playbook(str(play))) == 0


@pytest.mark.parametrize(("image", "main"), [("boot/amd64", "ramdisk.img"), ("images/base-amd64", "root.img.zst")])
def test_what_is_published_is_as_described(
    host: Host, image: str, main: str, record_property: Callable[[str, object], None]
) -> None:
    described = description(host, image)
    for name, known in described["files"].items():
        digest, size = host.check_output(
            f"cd {FOLDER}/{image}; sha256sum {name} | cut -d ' ' -f 1; stat -c %s {name}"
        ).split()
        assert known == {"sha256": digest, "size": int(size)}
    assert described["sha256"] == described["files"][main]["sha256"]
    record_property(f"MiB of {image}/{main}", described["size"] // 2**20)


def test_a_full_folder_keeps_the_image_that_it_has(host: Host, tmp_path: Path) -> None:
    def build(size: int, space: int, code: int = 0) -> str:
        play = tmp_path / "full.yml"
        play.write_text(FULL_PLAY.replace("SIZE", str(size)).replace("SPACE", str(space)), encoding="utf-8")
        return playbook(str(play), code=code)

    seen = f"find {FULL} -type f ! -name '.lock-*' -exec sha256sum {{}} +; readlink {FULL}/base-amd64"
    host.check_output(f"mkdir -p {FULL}; mount -t tmpfs -o size=32m tmpfs {FULL}")
    try:
        build(8, 1)
        before = host.check_output(seen)
        told, filled = build(9, 64, code=2), build(40, 1, code=2)
        assert host.check_output(seen) == before
        assert "needs 64 MiB in /srv/full and" in told
        assert "The disk ran full: make room in /srv/full" in filled
        # With room the same order is carried out, and the old version goes.
        host.check_output(f"mount -o remount,size=128m {FULL}")
        build(40, 1)
        assert host.check_output(f"stat -c %s {FULL}/base-amd64/root.img.zst") == str(40 * 2**20)
    finally:
        host.check_output(f"umount {FULL}; rmdir {FULL}")


def test_the_root_image_is_bootable_and_nobodys(host: Host) -> None:
    raw = description(host, "images/base-amd64")["raw_size"]
    listing = host.check_output(
        textwrap.dedent(f"""
        set -e
        cd /srv; zstd -q -d -f --sparse {FOLDER}/images/base-amd64/root.img.zst -o root.img
        stat -c %s root.img
        e2fsck -f -n root.img >/dev/null
        for folder in boot etc/ssh usr/lib/grub; do debugfs -R "ls -p /$folder" root.img 2>/dev/null; done
        debugfs -R "stat /etc/machine-id" root.img 2>/dev/null | grep -o "Size: .*"
        rm root.img
        """)
    )
    assert listing.splitlines()[0] == str(raw)
    names = {line.split("/")[5] for line in listing.splitlines() if line.startswith("/")}
    assert any(name.startswith("vmlinuz-") for name in names)
    assert any(name.startswith("initrd.img-") for name in names)
    assert {"i386-pc", "x86_64-efi"} <= names
    assert not any(name.startswith("ssh_host_") for name in names)
    assert listing.rstrip().endswith("Size: 0")


def test_the_ramdisk_boots_and_keeps_a_shell_when_it_cannot_go_on(
    host: Host, record_property: Callable[[str, object], None]
) -> None:
    host.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends {TOOLS}")
    options = shlex.quote("console=ttyS0 accentos.server=http://192.0.2.1 accentos.token=none")
    watch = " ".join(map(shlex.quote, ["A shell waits", "echo $((6 * 7)) $(uname -r)", "42 6.", "240"]))
    started = time.monotonic()
    seen = host.check_output(
        f"timeout 240 {MACHINE}{options} >/dev/null 2>&1 & machine=$!; "
        f"python3 -c {shlex.quote(CONSOLE)} {watch}; kill $machine"
    )
    assert seen.startswith("ANSWERED"), seen
    # The reason is told: the agent takes no server without TLS.
    assert "no usable accentos.server" in seen
    record_property("seconds to the shell", round(time.monotonic() - started, 1))
    for line in seen.splitlines():
        if "starting the installer" in line:
            record_property("console", line.strip())


def test_the_ramdisk_hears_to_which_switch_a_new_machine_is_connected(host: Host) -> None:
    host.check_output(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends {TOOLS}")
    sender = runpy.run_path(str(ROOT / "molecule/shared/files/rack/announce.py"))
    frame: bytes = sender["announcement"](bytes.fromhex("001c73000001"), "leaf-1", "Ethernet7")
    # Without a token it is a machine that nobody knows.
    options = shlex.quote("console=ttyS0 accentos.server=https://192.0.2.1:8443")
    machine = MACHINE.replace(" -kernel ", f" {WIRE}-kernel ")
    watch = " ".join(map(shlex.quote, ["is connected to leaf-1, port Ethernet7", "", "", "240"]))
    seen = host.check_output(
        f"python3 -c {shlex.quote(ANNOUNCE)} {frame.hex()} >/dev/null 2>&1 & sender=$!; "
        f"timeout 240 {machine}{options} >/dev/null 2>&1 & machine=$!; "
        f"python3 -c {shlex.quote(CONSOLE)} {watch}; kill $machine $sender"
    )
    assert seen.startswith("ANSWERED"), seen
