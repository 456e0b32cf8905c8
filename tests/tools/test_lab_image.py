# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The build of the lab's image when it is killed: with stands-in for mmdebstrap and podman, and real mounts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "molecule/shared/files"
# The first build stops with mounts below its folder, as mmdebstrap has them; the next ones end.
MMDEBSTRAP = """#!/bin/sh
set -eu
for word; do case $word in */root.tar) tar=$word ;; esac; done
mkdir -p "$TMPDIR/root/a b" "$TMPDIR/root/proc"
mount -t tmpfs none "$TMPDIR/root/a b"
touch "$TMPDIR/root/a b/file"
mount -t proc proc "$TMPDIR/root/proc"
[ ! -e "$HERE/begun" ] || { touch "$tar"; exit 0; }
touch "$HERE/begun"
sleep 1234.5 &
wait
"""
PODMAN = """#!/bin/sh
[ "$1" = import ] && echo imported >>"$HERE/podman"
exit 0
"""
KILLED = """
setsid build-image trixie image digest mirror security "$HERE/scratch" &
for _ in $(seq 300); do [ -e "$HERE/begun" ] && break; sleep 0.1; done
kill -KILL -- "-$!"
wait
# What is to end ends in a moment.
for _ in $(seq 50); do pgrep --full 'sleep 1234[.]5' >/dev/null || break; sleep 0.1; done
! pgrep --full 'sleep 1234[.]5' || echo "a process is left"
! grep "$HERE/scratch" /proc/self/mounts || echo "mounts are left"
build-image trixie image digest mirror security "$HERE/scratch"
ls "$HERE/scratch"
"""
# As a build did that had no namespaces of its own.
LEFT = """
mkdir -p "$HERE/scratch/build.old/root/sys" "$HERE/outside"
touch "$HERE/outside/file" "$HERE/begun"
mount --bind "$HERE/outside" "$HERE/scratch/build.old/root/sys"
mkdir "$HERE/scratch/build.old/root/sys/a b"
mount -t tmpfs none "$HERE/scratch/build.old/root/sys/a b"
build-image trixie image digest mirror security "$HERE/scratch"
ls "$HERE/scratch" "$HERE/outside"
"""


def play(script: str, place: Path) -> list[str]:
    """Run SCRIPT of bash with the stands-in of PLACE, in a mount namespace of its own, and return what it said."""
    programs = place / "bin"
    programs.mkdir()
    for name, text in (("mmdebstrap", MMDEBSTRAP), ("podman", PODMAN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euc", script],
        env={"PATH": f"{programs}:{FILES}:/usr/sbin:/usr/bin:/sbin:/bin", "HERE": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (place / "podman").read_text() == "imported\n"
    return done.stdout.splitlines()


def test_a_killed_build_leaves_no_mount_and_no_process_and_is_repaired(tmp_path: Path) -> None:
    # Except what the shell tells of its job.
    assert [line for line in play(KILLED, tmp_path) if " Killed " not in line] == []


def test_what_is_mounted_below_a_build_is_unmounted_and_never_emptied(tmp_path: Path) -> None:
    said = play(LEFT, tmp_path)
    assert said == [f"{tmp_path}/outside:", "a b", "file", "", f"{tmp_path}/scratch:"]
