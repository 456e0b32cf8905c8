# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images on a lab host: built once, whole after a kill, and a ramdisk that boots and says why it cannot go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, Lab, Run, descendants

HOST = "deploy-1"
FOLDER = "/srv/accentos"
TOOLS = "qemu-system-x86 ipxe-qemu"

HEAD = f"""\
---
- name: Images
  hosts: {HOST}
  gather_facts: false
  tasks:
"""
PLAY = f"""\
{HEAD}    - name: Build the images of a virtual machine
      ansible.builtin.import_role:
        name: accentos.cloud.host_image
      vars:
        host_image_kernel: cloud
        host_image_level: 3
        host_image_agent_folder: {ROOT}/collections/ansible_collections/accentos/cloud/agents/src
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


class Images:
    """The lab with the role host_image on its deploy host."""

    def __init__(self, lab: Lab, play: Path) -> None:
        self.lab = lab
        self.play = play

    def build(self) -> int:
        """Run the role and return the number of changed tasks."""
        return self.lab.succeed(str(self.play)).changed

    def sh(self, script: str) -> str:
        """Run a shell script on the deploy host."""
        return self.lab.sh(HOST, script)

    def description(self, image: str) -> dict[str, Any]:
        """Return the published description of an image."""
        described: dict[str, Any] = json.loads(self.sh(f"cat {FOLDER}/{image}/image.json"))
        return described


@pytest.fixture(scope="module")
def images(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Give a deploy host on which a build was killed in its midst and then repeated."""
    lab.prepare()
    play = tmp_path_factory.mktemp("images") / "images.yml"
    play.write_text(PLAY, encoding="utf-8")
    kill_in_a_build(lab, play)
    images = Images(lab, play)
    assert images.build() > 0
    yield images
    images.sh(f"rm -rf {FOLDER}")


def kill_in_a_build(lab: Lab, play: Path) -> None:
    """Kill the run, and on the host the module, while packages are being unpacked."""
    with subprocess.Popen(
        lab.command(str(play)),
        cwd=ROOT,
        env=lab.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        lab.sh(HOST, f"timeout 300 sh -c 'until [ -e {FOLDER}/boot/.building-amd64/root/usr ]; do sleep 0.1; done'")
        for pid in [run.pid, *descendants(run.pid)]:
            os.kill(pid, signal.SIGKILL)
    # The program is in a process namespace of its own, which ends with the module.
    lab.sh(HOST, "pkill -KILL -f '[h]ost_image_build' || true; sleep 1; ! pgrep -f '[m]mdebstrap'")
    assert "amd64" not in lab.sh(HOST, f"ls {FOLDER}/boot").split()


def test_a_killed_build_left_nothing(images: Images) -> None:
    assert images.sh(f"find {FOLDER} -name '.building-*' -o -name '.link-*'") == ""
    assert images.sh("grep -c /srv/accentos /proc/mounts || true").strip() == "0"


def test_a_second_run_builds_nothing(images: Images) -> None:
    before = images.sh(f"find {FOLDER} -printf '%p %i %T@\\n' | sort")
    assert images.build() == 0
    assert images.sh(f"find {FOLDER} -printf '%p %i %T@\\n' | sort") == before


@pytest.mark.parametrize(("image", "main"), [("boot/amd64", "ramdisk.img"), ("images/base-amd64", "root.img.zst")])
def test_what_is_published_is_as_described(
    images: Images, image: str, main: str, record_property: Callable[[str, object], None]
) -> None:
    described = images.description(image)
    for name, known in described["files"].items():
        digest, size = images.sh(f"cd {FOLDER}/{image}; sha256sum {name} | cut -d ' ' -f 1; stat -c %s {name}").split()
        assert known == {"sha256": digest, "size": int(size)}
    assert described["sha256"] == described["files"][main]["sha256"]
    record_property(f"MiB of {image}/{main}", described["size"] // 2**20)


def test_a_full_folder_keeps_the_image_that_it_has(lab: Lab, tmp_path: Path) -> None:
    def build(size: int, space: int) -> Run:
        play = tmp_path / "full.yml"
        play.write_text(FULL_PLAY.replace("SIZE", str(size)).replace("SPACE", str(space)), encoding="utf-8")
        return lab.run(str(play))

    seen = f"find {FULL} -type f ! -name '.lock-*' -exec sha256sum {{}} +; readlink {FULL}/base-amd64"
    lab.sh(HOST, f"mkdir -p {FULL}; mount -t tmpfs -o size=32m tmpfs {FULL}")
    try:
        assert build(8, 1).code == 0
        before = lab.sh(HOST, seen)
        told, filled = build(9, 64), build(40, 1)
        after = lab.sh(HOST, seen)
        assert "needs 64 MiB in /srv/full and" in told.output
        assert "The disk ran full: make room in /srv/full" in filled.output
        assert (told.code, filled.code) == (2, 2)
        assert after == before
        # With room the same order is carried out, and the old version goes.
        lab.sh(HOST, f"mount -o remount,size=128m {FULL}")
        assert build(40, 1).code == 0
        assert lab.sh(HOST, f"stat -c %s {FULL}/base-amd64/root.img.zst").strip() == str(40 * 2**20)
    finally:
        lab.sh(HOST, f"umount {FULL}; rmdir {FULL}")


def test_the_root_image_is_bootable_and_nobodys(images: Images) -> None:
    raw = images.description("images/base-amd64")["raw_size"]
    listing = images.sh(
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
    images: Images, record_property: Callable[[str, object], None]
) -> None:
    images.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends {TOOLS}")
    options = shlex.quote("console=ttyS0 accentos.server=http://192.0.2.1 accentos.token=none")
    watch = " ".join(map(shlex.quote, ["A shell waits", "echo $((6 * 7)) $(uname -r)", "42 6.", "240"]))
    started = time.monotonic()
    seen = images.sh(
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
