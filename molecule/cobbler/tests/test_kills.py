# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cobbler is killed while it writes: machines get old files or new ones, never half a file."""

from __future__ import annotations

import os
import random

from .conftest import Site

CHANCE = random.Random(int(os.environ.get("ACCENTOS_TEST_SEED", "1")))  # noqa: S311 - a choice of moments, no secret
KILLS = int(os.environ.get("ACCENTOS_TEST_KILLS", "20"))

# A reader looks at every published file, and at the objects of Cobbler, while cobblerd is killed in saves and syncs.
KILLER = """
import http.client, pathlib, signal, socket, subprocess, sys, threading
socket.setdefaulttimeout(60)
root = pathlib.Path("/srv/accentos/netboot")
objects = pathlib.Path("/var/lib/cobbler/collections")
torn, looked, stop = [], 0, threading.Event()
def read():
    global looked
    while not stop.wait(0.002):
        tree = pathlib.Path(os.path.realpath(root / "current")) / "tftp"
        try:
            scripts = list((tree / "pxelinux.cfg").iterdir())
            sizes = {path.stat().st_size for path in (tree / "images/accentos-amd64").iterdir()}
            texts = [path.read_bytes() for path in scripts]
        except FileNotFoundError:
            continue  # Two releases ago: a reader of a file that is open keeps it.
        looked += 1
        if sizes != {300_000} or not all(text.startswith(b"#!ipxe") and text.endswith(b"# end\\n") for text in texts):
            torn.append(f"{tree}: {sizes}, {[text[-20:] for text in texts]}")
        if len(texts) < 2:
            torn.append(f"{tree}: {len(texts)} scripts")
        # Cobbler leaves the line of a system that was removed, such as one of another test, until its next sync.
        hosts = (root / "dhcp-hosts").read_text()
        if HOST not in hosts:
            torn.append(f"DHCP hosts: {hosts}")
        for path in objects.glob("*/*.json"):
            try:
                json.loads(path.read_text())
            except ValueError:
                torn.append(f"{path} is half an object")
def show(name):
    return subprocess.getoutput(f"systemctl show --property={name} --value cobblerd").strip()
def wait_for(told, what):
    for _tenth in range(600):
        if told():
            return
        time.sleep(0.1)
    sys.exit(f"{what}: " + subprocess.getoutput("systemctl status cobblerd; journalctl --unit cobblerd | tail -30"))
def kill_all():
    for number, wait in enumerate(MOMENTS):
        saved = []
        def work():
            try:
                peer = xmlrpc.client.ServerProxy("http://127.0.0.1:25151")
                change_token = peer.login("", open("/var/lib/cobbler/web.ss").read())
                handle = peer.get_system_handle("machine-1", change_token)
                peer.modify_system(handle, "comment", f"{number} " + "x" * 300, change_token)
                peer.save_system(handle, change_token)
                saved.append(number)
                peer.sync(change_token)
            except (OSError, http.client.HTTPException, xmlrpc.client.Error):
                pass
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        time.sleep(wait)
        # While a start is prepared the number is 0, and a signal to 0 would hit this program itself.
        wait_for(lambda: show("MainPID") != "0", "cobblerd does not start")
        killed = show("MainPID")
        if killed != "0":
            os.kill(int(killed), signal.SIGKILL)
        worker.join()
        # systemd says "active" until it knows of the death.
        wait_for(lambda: show("MainPID") not in ("0", killed), "cobblerd is not started again")
        # Some are killed again while they start, which is during the sync that mends everything.
        if number % 5 == 4:
            continue
        wait_for(lambda: show("ActiveState") == "active", "cobblerd is not back")
        comment = json.loads((objects / "systems/machine-1.json").read_text())["comment"]
        if saved and comment != f"{number} " + "x" * 300:
            torn.append(f"save {number} was acknowledged and is lost")
    wait_for(lambda: show("ActiveState") == "active", "cobblerd is not back")
reader = threading.Thread(target=read, daemon=True)
reader.start()
kill_all()
stop.set()
reader.join()
print(json.dumps({"torn": sorted(set(torn))[:9], "looked": looked}))
"""


def test_boot_files_are_whole_whenever_cobbler_is_killed(site: Site) -> None:
    moments = [round(CHANCE.uniform(0.0, 0.9), 3) for _kill in range(KILLS)]
    host = f",02:aa:00:00:00:01,machine-1.example.test,{site.address.rsplit('.', 1)[0]}.61\n"
    told = site.direct(KILLER.replace("MOMENTS", repr(moments)).replace("HOST", repr(host)), timeout=900)
    assert '"torn": []' in told
    assert int(told.rsplit(": ", 1)[1].rstrip("}")) > 100
    # What Cobbler knew is known again, and is published.
    assert site.direct("print([item['name'] for item in server.get_systems()])") == "['machine-1']"
    assert site.http(f"http://{site.address}/netboot/pxelinux.cfg/01-02-aa-00-00-00-01")["status"] == 200


def test_half_a_tree_is_not_published_however_long_cobbler_is_away(site: Site) -> None:
    published = "cd /srv/accentos/netboot; find current/ -path '*/tftp/*' -printf '%P %s\\n' | sort; cat dhcp-hosts"
    before = site.sh("deploy-1", published)
    # As a full sync leaves it that is cut off: its mark is taken away, folders are empty, and a change was told.
    site.sh("deploy-1", "systemctl stop cobblerd && cd /var/lib/cobbler && mv whole whole.before")
    site.sh("deploy-1", "cd /var/lib/cobbler && rm -r tftpboot/pxelinux.cfg/* tftpboot/images/* && : >dhcp/hosts")
    site.sh("deploy-1", "touch /var/lib/cobbler/changed; sleep 1; systemctl start accentos-boot-files")
    assert site.sh("deploy-1", published) == before
    assert "goes on or was cut off" in site.sh("deploy-1", "journalctl --unit accentos-boot-files --lines 9")
    site.sh("deploy-1", "systemctl start cobblerd")
    assert site.sh("deploy-1", published) == before
    assert site.sh("deploy-1", "cd /var/lib/cobbler && ls -d whole*") == "whole"


def test_a_save_waits_for_the_sync_of_another(site: Site) -> None:
    told = site.direct(
        """
import threading
def work(number):
    peer = xmlrpc.client.ServerProxy("http://127.0.0.1:25151")
    peer.sync(token)
workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for worker in workers: worker.start()
for number in range(3): change("system", "machine-1", "comment", f"turn {number}")
for worker in workers: worker.join()
print(sorted(os.listdir("/var/lib/cobbler/tftpboot/images/accentos-amd64")), os.path.exists("/var/lib/cobbler/whole"))
"""
    )
    assert told == "['ramdisk.img', 'vmlinuz'] True"


def test_torn_objects_and_cached_files_are_mended(site: Site) -> None:
    collections = "/var/lib/cobbler/collections"
    before = site.sh("deploy-1", f"cat {collections}/systems/machine-1.json")
    site.sh("deploy-1", "systemctl kill --signal=KILL cobblerd; systemctl stop cobblerd")
    site.sh("deploy-1", f"truncate --size=40 {collections}/systems/machine-1.json")
    site.sh("deploy-1", "truncate --size=0 /var/lib/cobbler/.mtime")
    site.sh("deploy-1", f"echo '{{' >{collections}/profiles/never-saved.json")
    site.sh("deploy-1", "truncate --size=1000 /var/lib/cobbler/tftpboot/images/.link_cache/[0-9a-f]*")
    site.sh("deploy-1", "systemctl restart cobblerd")
    assert site.sh("deploy-1", f"cat {collections}/systems/machine-1.json") == before
    assert site.sh("deploy-1", f"ls {collections}/profiles") == "accentos-deploy.json"
    journal = site.sh("deploy-1", "journalctl --unit cobblerd --output cat | grep torn")
    assert "machine-1.json was torn and is again as it was" in journal
    assert "never-saved.json was torn and is gone" in journal
    assert ".mtime was torn and is gone" in journal
    sizes = site.sh("deploy-1", "stat -c %s /srv/accentos/netboot/current/tftp/images/accentos-amd64/*").split()
    assert sizes == ["300000", "300000"]
