#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: how far a server of a Galera cluster came."""

from __future__ import annotations

DOCUMENTATION = r"""
module: galera_state
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: How far a server of a Galera cluster came
description:
  - Tells whether a server works in its cluster, and otherwise which position its data have.
  - One that is still starting is waited for. A server that works is only asked.
  - A server that runs but cannot be asked, since it refuses root for example, may work. It is left alone.
options:
  stop:
    description: >-
      Whether a server that runs and is known to have no quorum is stopped. Without that its position is unknown.
    type: bool
    default: false
  timeout:
    description: Seconds for which a server that is starting is waited for, and for an answer of one that runs.
    type: int
    default: 60
  folder:
    description: Folder of the server's data.
    type: path
    default: /var/lib/mysql
  socket:
    description: Socket of the server.
    type: path
    default: /run/mysqld/mysqld.sock
requirements: [PyMySQL]
attributes:
  check_mode:
    description: Can run in check mode, where it stops nothing and reads no position that only the server itself finds.
    support: full
  diff_mode:
    description: Shows the commands that it gives to systemd.
    support: full
"""

EXAMPLES = r"""
- name: Ask each server how far it came
  accentos.cloud.galera_state:
  delegate_to: "{{ item }}"
  loop: "{{ groups.controller }}"
  run_once: true
  register: asked
"""

RETURN = r"""
member:
  description: >-
    C(active), whether it runs; C(primary), whether it works in the part of a cluster that has the quorum; C(joined),
    whether it was ever told to be in one; C(uuid) of that cluster and C(seqno), its position; C(databases) that are not
    the system's; C(obstacle), why a server that runs could not be asked, or an empty text.
  returned: always
  type: dict
"""

import sys
import time
import traceback
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.galera import (
    Member,
    find_obstacle,
    parse_recovered,
    parse_state,
)
from ansible_collections.accentos.cloud.plugins.module_utils.units import parse_properties

try:
    import pymysql
except ImportError:
    # Without the library there is no server yet: the package of the server comes with it.
    PYMYSQL_ERROR: str | None = traceback.format_exc()
else:
    PYMYSQL_ERROR = None

UNIT = "mariadb.service"
SYSTEM_FOLDERS = ("lost+found", "mysql", "performance_schema", "sys")
_STATUS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_cluster_state_uuid')"
_DAEMON = "/usr/sbin/mariadbd"


def active_state(module: AnsibleModule) -> str:
    """Return what systemd calls the state of the server's unit, once it is neither starting nor stopping."""
    end = time.monotonic() + module.params["timeout"]
    while True:
        _code, out, _err = module.run_command(["systemctl", "show", UNIT, "--property=ActiveState"], check_rc=True)
        state = parse_properties(out).get("ActiveState", "")
        if state not in ("activating", "deactivating") or time.monotonic() > end:
            return state
        time.sleep(1)


def ask(module: AnsibleModule, *, starting: bool) -> tuple[str, str]:
    """Return the cluster in which a server that is not stopped works, empty without quorum, and what hid it."""
    if PYMYSQL_ERROR:
        # In check mode an earlier task would bring it.
        return "", "" if module.check_mode else f"PyMySQL is missing for {sys.executable}"
    timeout = max(1, module.params["timeout"])
    try:
        with (
            pymysql.connect(unix_socket=module.params["socket"], user="root", read_timeout=timeout) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(_STATUS)
            status = dict(cursor.fetchall())
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        return "", find_obstacle(code, str(error.args[-1]) if error.args else repr(error), starting=starting)
    except RuntimeError as error:
        # The library lacks what root's present way to log in needs.
        return "", find_obstacle(0, str(error), starting=starting)
    return (status.get("wsrep_cluster_state_uuid", "") if status.get("wsrep_cluster_status") == "Primary" else ""), ""


def read_position(module: AnsibleModule, text: str, *, stopped: bool) -> tuple[str, int | None]:
    """Return cluster and position of a server that is stopped; after a crash only the server itself finds it."""
    uuid, seqno = parse_state(text)
    if seqno is not None or not uuid or not stopped or module.check_mode:
        return uuid, seqno
    code, out, err = module.run_command([_DAEMON, "--user=mysql", "--wsrep-recover", "--disable-log-error"])
    recovered = parse_recovered(err + out) if code == 0 else ("", None)
    return recovered if recovered[0] else (uuid, None)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stop": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 60},
            "folder": {"type": "path", "default": "/var/lib/mysql"},
            "socket": {"type": "path", "default": "/run/mysqld/mysqld.sock"},
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["folder"])
    state = active_state(module)
    stopped = state in ("inactive", "failed")
    cluster, obstacle = ("", "") if stopped else ask(module, starting=state != "active")
    commands = []
    if not (stopped or cluster or obstacle) and module.params["stop"]:
        commands.append(f"stop {UNIT}")
        if not module.check_mode:
            module.run_command(["systemctl", "stop", UNIT], check_rc=True)
            stopped = True
    grastate = folder / "grastate.dat"
    text = grastate.read_text(encoding="utf-8") if grastate.is_file() else ""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    uuid, seqno = (cluster, None) if cluster else read_position(module, text, stopped=stopped)
    member = Member(
        active=not stopped,
        primary=bool(cluster),
        joined=bool(text),
        uuid=uuid,
        seqno=seqno,
        databases=[name for name in names if name not in SYSTEM_FOLDERS and not name.startswith(("#", "."))],
        obstacle=obstacle,
    )
    module.exit_json(
        changed=bool(commands),
        member=vars(member),
        diff={"before": "", "after": "".join(f"systemctl {line}\n" for line in commands)},
    )


if __name__ == "__main__":
    main()
