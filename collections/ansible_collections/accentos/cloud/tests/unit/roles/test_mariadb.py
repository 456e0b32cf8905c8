# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What load balancers are told of a database server."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[3] / "roles/mariadb/files/mariadb_health.py"


class MySQLError(Exception):
    """Stands in for the error of the client's library, which only hosts with a database have."""


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, before a library of a database's client that reaches nothing."""
    library = ModuleType("pymysql")
    library.MySQLError = MySQLError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pymysql", library)
    specification = importlib.util.spec_from_file_location("mariadb_health", FILE)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def status(cluster: str = "Primary", state: str = "4", comment: str = "Synced", ready: str = "ON") -> dict[str, str]:
    """Return the variables of a server of a cluster, as it names them."""
    return {
        "wsrep_on": "ON",
        "wsrep_cluster_status": cluster,
        "wsrep_local_state": state,
        "wsrep_local_state_comment": comment,
        "wsrep_ready": ready,
    }


@pytest.mark.parametrize(
    ("found", "works", "told"),
    [
        ({"wsrep_on": "OFF", "wsrep_cluster_status": "Disconnected", "wsrep_ready": "OFF"}, True, "in no cluster"),
        (status(), True, "Synced"),
        (status(state="2", comment="Donor/Desynced"), True, "Donor/Desynced"),
        (status(state="1", comment="Joining"), False, "Joining"),
        (status(ready="OFF"), False, "Synced"),
        (status(cluster="non-Primary", state="0", ready="OFF"), False, "without the quorum of its cluster"),
        (status(cluster="Disconnected"), False, "without the quorum of its cluster"),
        ({"wsrep_on": "ON"}, False, "without the quorum of its cluster"),
    ],
)
def test_a_server_works_with_the_quorum_and_its_data(
    health: ModuleType, found: dict[str, str], works: bool, told: str
) -> None:
    assert health.judge(found) == (works, told)


@pytest.mark.parametrize(
    ("error", "works", "told"),
    [
        (MySQLError(1040, "Too many connections"), True, "Too many connections"),
        (MySQLError(2002, "Can't connect"), False, "Can't connect"),
        (MySQLError(), False, ""),
        (RuntimeError("no such way to log in"), False, "no such way to log in"),
    ],
)
def test_a_server_that_cannot_be_asked_does_not_work_unless_it_is_full(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch, error: Exception, works: bool, told: str
) -> None:
    def connect(**_options: object) -> None:
        raise error

    monkeypatch.setattr(health.pymysql, "connect", connect, raising=False)
    assert health.ask("/nowhere") == (works, told)
