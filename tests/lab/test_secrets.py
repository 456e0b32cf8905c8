# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets are nowhere but in their encrypted store and where they are used."""

from __future__ import annotations

import functools
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.accentos.cloud.plugins.plugin_utils.secret_store import SecretStore

from tools.secret_search import needles, places_here, places_on

from .conftest import ANSIBLE_HOME, CREATE, DESTROY, HOSTS, ONE, PREPARE, ROOT, STATE, Lab

# A process is looked at so often, twenty times a second: as itself, as what it was forked from, as what it executes.
ROUNDS = 40
LONGEST = 20000


def processes() -> list[str]:
    """Return the numbers of all processes of the machine."""
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


@contextmanager
def watched_processes() -> Iterator[dict[str, bytes]]:
    """Collect what is visible for moments only, while the block runs: arguments and environments of all processes, of
    the hosts too, and the temporary files of Ansible here.
    """
    seen: dict[str, bytes] = {}
    stop = threading.Event()

    def note(place: Path) -> None:
        try:
            content = place.read_bytes()[:LONGEST]
        except OSError:
            return
        if content not in seen.get(str(place), b""):
            seen[str(place)] = seen.get(str(place), b"") + content

    def watch() -> None:
        # What has run for a while does not become another program; looking at it again would cost a whole core.
        rounds = dict.fromkeys(processes(), ROUNDS - 1)
        while not stop.wait(0.05):
            # A run that ends takes its folder away, perhaps while it is looked at.
            with suppress(FileNotFoundError):
                for file in (ANSIBLE_HOME / "tmp").rglob("*"):
                    note(file)
            rounds = {process: rounds.get(process, 0) + 1 for process in processes()}
            for process in (process for process, number in rounds.items() if number <= ROUNDS):
                for name in ("cmdline", "environ"):
                    note(Path("/proc", process, name))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
        # If it ended by itself it has not seen all.
        assert watcher.is_alive()
    finally:
        stop.set()
        watcher.join()


def test_generated_values_are_found_nowhere(lab: Lab) -> None:
    lab.succeed(DESTROY)
    lab.succeed(CREATE)
    outputs = []
    with watched_processes() as visible:
        outputs.append(lab.succeed(PREPARE, "-vvvv", "--diff").output)
        outputs.append(
            lab.run(PREPARE, "-vvvv", "--diff", "--extra-vars", "{'base_ntp_servers': ['192.0.2.1 nonsense']}").output
        )
        outputs.append(lab.run(PREPARE, "-vvvv", "--diff", "--extra-vars", "pki_validity_days=nonsense").output)
        outputs.append(lab.succeed(PREPARE, "-vvvv", "--diff").output)
    secrets = SecretStore(STATE).read()
    assert set(secrets) == {"chrony_key", "pki_ca_key"}
    wanted = needles(secrets)
    assert len(wanted) > 4

    places = {f"output {number}": output.encode() for number, output in enumerate(outputs)} | visible
    assert len(visible) > 50
    assert {place for place, content in places.items() if any(needle in content for needle in wanted)} == set()
    assert places_here([STATE, lab.scratch, ROOT / "inventories", ROOT / "molecule", ANSIBLE_HOME], wanted) == []

    # The search can find: the one place on the hosts where a secret belongs has it.
    key = secrets["chrony_key"].upper()
    for host in HOSTS:
        found = lab.sh(host, f"grep -rlsI {key} /etc /var/lib /var/log /root /home /tmp /usr/local || true").split()
        assert found == ["/etc/chrony/chrony.keys"]
        authority = secrets["pki_ca_key"].splitlines()[1]
        assert (
            lab.sh(host, f"grep -rlsI '{authority}' /etc /var/lib /var/log /root /home /tmp /usr/local || true") == ""
        )


def test_a_kill_at_the_secret_leaves_nothing_on_the_control_node(lab: Lab) -> None:
    lab.prepare()
    for delay in (0.1, 0.4, 0.7):
        lab.sh("compute-1", "rm --force /etc/chrony/chrony.keys")
        lab.kill_at_task(PREPARE, "prove their time", *ONE, delay=delay)
        wanted = needles(SecretStore(STATE).read())
        assert places_here([ANSIBLE_HOME], wanted) == []
        assert places_on(functools.partial(lab.sh, "compute-1"), wanted) == []
    lab.succeed(PREPARE, *ONE)
    assert lab.sh("compute-1", "find /etc/chrony -name '.*'") == ""
    assert lab.succeed(PREPARE, *ONE).changed == 0


def test_files_with_secrets_are_private(lab: Lab) -> None:
    for name in (".secrets.yml", ".vault_key", "id_ed25519"):
        assert stat.S_IMODE((STATE / name).stat().st_mode) == 0o600
    assert (STATE / ".secrets.yml").read_bytes().startswith(b"$ANSIBLE_VAULT;1.")
    for host in HOSTS:
        private = lab.sh(host, "find /etc/accentos /etc/chrony -name '*.key*' -printf '%m %u %g %p\\n'").splitlines()
        assert sorted(private) == [
            "640 root _chrony /etc/chrony/chrony.keys",
            "640 root root /etc/accentos/pki/host.key",
        ]
        assert lab.sh(host, "find /tmp /root/.ansible -name '*ansible*' -type f 2>/dev/null || true") == ""
