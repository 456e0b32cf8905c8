# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cobbler is killed while it writes: machines get old files or new ones, never half a file."""

from __future__ import annotations

import os
import random

from .conftest import Site

CHANCE = random.Random(int(os.environ.get("ACCENTOS_TEST_SEED", "1")))  # noqa: S311 - a choice of moments, no secret
KILLS = int(os.environ.get("ACCENTOS_TEST_KILLS", "20"))

# A reader looks at every published file, without a pause, while cobblerd is killed during its syncs.
KILLER = """
import http.client, pathlib, signal, subprocess, sys, threading
root = pathlib.Path("/srv/accentos/netboot")
torn, looked, stop = [], 0, threading.Event()
def read():
    global looked
    while not stop.is_set():
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
        if len(texts) < 2 or any(line.count(",") < 2 for line in (root / "dhcp-hosts").read_text().splitlines()):
            torn.append(f"{tree}: {len(texts)} scripts")
reader = threading.Thread(target=read)
reader.start()
def pid():
    # While cobblerd's start is prepared its number is 0, and a signal to 0 would hit this program itself.
    asked = ["systemctl", "show", "--property=MainPID", "--value", "cobblerd"]
    while not (found := int(subprocess.check_output(asked))):
        time.sleep(0.05)
    return found
for wait in MOMENTS:
    def work():
        try:
            peer = xmlrpc.client.ServerProxy("http://127.0.0.1:25151")
            change_token = peer.login("", open("/var/lib/cobbler/web.ss").read())
            handle = peer.get_system_handle("machine-1", change_token)
            peer.modify_system(handle, "comment", str(wait) * 50, change_token)
            peer.save_system(handle, change_token)
            peer.sync(change_token)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            pass
    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(wait)
    os.kill(pid(), signal.SIGKILL)
    worker.join()
    for _second in range(600):
        state = subprocess.run(["systemctl", "is-active", "cobblerd"], capture_output=True, text=True).stdout.strip()
        if state == "active":
            break
        time.sleep(0.1)
    else:
        sys.exit("cobblerd is not back: " + subprocess.getoutput("journalctl --unit cobblerd | tail -30"))
stop.set()
reader.join()
print(json.dumps({"torn": sorted(set(torn))[:9], "looked": looked}))
"""


def test_boot_files_are_whole_whenever_cobbler_is_killed(site: Site) -> None:
    moments = [round(CHANCE.uniform(0.0, 0.9), 3) for _kill in range(KILLS)]
    told = site.direct(KILLER.replace("MOMENTS", repr(moments)))
    assert '"torn": []' in told
    assert int(told.rsplit(": ", 1)[1].rstrip("}")) > 100
    # What Cobbler knew is known again, and is published.
    assert site.direct("print([item['name'] for item in server.get_systems()])") == "['machine-1']"
    assert site.http(f"http://{site.address}/netboot/pxelinux.cfg/01-02-aa-00-00-00-01")["status"] == 200


def test_torn_objects_and_cached_files_are_mended(site: Site) -> None:
    collections = "/var/lib/cobbler/collections"
    before = site.sh("deploy-1", f"cat {collections}/systems/machine-1.json")
    site.sh("deploy-1", "systemctl kill --signal=KILL cobblerd")
    site.sh("deploy-1", f"truncate --size=40 {collections}/systems/machine-1.json")
    site.sh("deploy-1", f"echo '{{' >{collections}/profiles/never-saved.json")
    site.sh("deploy-1", "truncate --size=1000 /var/lib/cobbler/tftpboot/images/.link_cache/[0-9a-f]*")
    site.sh("deploy-1", "systemctl restart cobblerd")
    assert site.sh("deploy-1", f"cat {collections}/systems/machine-1.json") == before
    assert site.sh("deploy-1", f"ls {collections}/profiles") == "accentos-deploy.json"
    journal = site.sh("deploy-1", "journalctl --unit cobblerd --output cat | grep torn")
    assert "machine-1.json was torn and is again as it was" in journal
    assert "never-saved.json was torn and is gone" in journal
    sizes = site.sh("deploy-1", "stat -c %s /srv/accentos/netboot/current/tftp/images/accentos-amd64/*").split()
    assert sizes == ["300000", "300000"]
