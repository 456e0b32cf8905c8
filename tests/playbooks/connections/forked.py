# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs modules on this machine in forks of the process that Ansible runs a task in, which is quick.

Connection local starts a Python for each module, which then compiles anew what all modules import: most of the time
of a play of many small modules. A fork has imported it already. A module gets the same arguments, standard input,
environment and temporary folder, and answers in the same way; what else it finds in its process is not what it finds
elsewhere, so a test that uses this runs the same modules over connection local, too.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from typing import IO, Any, NoReturn

# What modules import is loaded before the forks; those who start Ansible load it earlier still.
from ansible.module_utils import basic, urls  # noqa: F401
from ansible.plugins.connection.local import DOCUMENTATION as OF_LOCAL
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = OF_LOCAL.replace("name: local", "name: forked")


class Connection(Local):  # type: ignore[misc]
    """Connection local, but for modules that are sent over standard input."""

    transport = "forked"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Return exit code, standard output and standard error of CMD, or of the module IN_DATA instead."""
        if not in_data:
            answer: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data, sudoable)
            return answer
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                run_module(in_data, out, err)
            _child, status = os.waitpid(child, 0)
            out.seek(0)
            err.seek(0)
            return os.waitstatus_to_exitcode(status), out.read(), err.read()


def run_module(source: bytes, out: IO[bytes], err: IO[bytes]) -> NoReturn:
    """Be the process of the module with this SOURCE, which writes to OUT and ERR."""
    code: Any = 1
    try:
        for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out.fileno(), err.fileno())):
            os.dup2(file, number)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
        sys.argv = ["-"]
        try:
            exec(compile(source, "<stdin>", "exec"), {"__name__": "__main__"})  # noqa: S102 - what Ansible has packed
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)
