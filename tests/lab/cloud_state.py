# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what a cloud has beside files: databases, accounts, catalogue, roles, services, queues, storage. JSON, a list.

Runs on the first controller, as root, whom the database and Ceph know. Numbers that the cloud gives by chance are left
out: everything is told by its name, and what is there twice is there twice.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

# How a line begins that is no answer.
SILENT = "does not answer: "
Query = Callable[[str], list[tuple[Any, ...]]]
# What each OSD measures of its disk and then writes into Ceph's settings.
MEASURED = "osd_mclock_max_capacity_iops_"
# What is there, by a word that begins each line. A domain is a project, too.
QUERIES = {
    "database": "SELECT schema_name, default_character_set_name, default_collation_name"
    " FROM information_schema.schemata",
    # Also those that a cut off upgrade of a schema would lack.
    "column": "SELECT table_schema, table_name, column_name, column_type, is_nullable, column_key"
    " FROM information_schema.columns"
    " WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')",
    "region": "SELECT id, description FROM keystone.region",
    "service": "SELECT type, enabled, extra FROM keystone.service",
    "endpoint": "SELECT service.type, endpoint.interface, endpoint.region_id, endpoint.url, endpoint.enabled"
    " FROM keystone.endpoint LEFT JOIN keystone.service ON service.id = endpoint.service_id",
    "project": "SELECT project.name, project.is_domain, project.enabled, project.description, owner.name"
    " FROM keystone.project LEFT JOIN keystone.project owner ON owner.id = project.domain_id",
    "user": "SELECT local_user.name, owner.name, user.enabled FROM keystone.user"
    " LEFT JOIN keystone.local_user ON local_user.user_id = user.id"
    " LEFT JOIN keystone.project owner ON owner.id = user.domain_id",
    "role": "SELECT role.name, role.domain_id, role.description FROM keystone.role",
    "implied role": "SELECT prior.name, implied.name FROM keystone.implied_role"
    " LEFT JOIN keystone.role prior ON prior.id = implied_role.prior_role_id"
    " LEFT JOIN keystone.role implied ON implied.id = implied_role.implied_role_id",
    "assignment": "SELECT assignment.type, local_user.name, project.name, role.name, assignment.inherited"
    " FROM keystone.assignment LEFT JOIN keystone.local_user ON local_user.user_id = assignment.actor_id"
    " LEFT JOIN keystone.project ON project.id = assignment.target_id"
    " LEFT JOIN keystone.role ON role.id = assignment.role_id",
    "assignment to all": "SELECT local_user.name, system_assignment.target_id, role.name, system_assignment.inherited"
    " FROM keystone.system_assignment LEFT JOIN keystone.local_user ON local_user.user_id = system_assignment.actor_id"
    " LEFT JOIN keystone.role ON role.id = system_assignment.role_id",
    "cell": "SELECT name, transport_url, database_connection, disabled FROM nova_api.cell_mappings",
    "host of a cell": "SELECT host_mappings.host, cell_mappings.name FROM nova_api.host_mappings"
    " LEFT JOIN nova_api.cell_mappings ON cell_mappings.id = host_mappings.cell_id",
    "service of nova": "SELECT host, `binary`, disabled FROM nova.services WHERE deleted = 0",
    "compute": "SELECT host, hypervisor_hostname FROM nova.compute_nodes WHERE deleted = 0",
    "provider": "SELECT name FROM placement.resource_providers",
    "service of cinder": "SELECT host, `binary`, disabled FROM cinder.services WHERE deleted = 0",
    "type of volumes": "SELECT name, is_public FROM cinder.volume_types WHERE deleted = 0",
}


class AskError(Exception):
    """Something of the cloud does not answer."""


def ask(*argv: str) -> str:
    """Return what a program prints. Raises AskError."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AskError(f"{' '.join(argv)} ended with code {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def answers(source: Iterator[str]) -> Iterator[str]:
    """Return the lines of a source. One that does not answer is told as a line, so that the others are heard."""
    try:
        yield from source
    except AskError as error:
        yield f"{SILENT}{error}"


def told(value: Any) -> Any:
    """Return a value of a row; one that is an object in JSON with its names in order, since Python writes any."""
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def rows(query: Query, kind: str, statement: str) -> Iterator[str]:
    """Return each row that a statement finds. Raises AskError."""
    for row in query(statement):
        yield f"{kind}: {json.dumps([told(value) for value in row], default=str, sort_keys=True)}"


def rights(query: Query) -> Iterator[str]:
    """Return who may do what with which database. Raises AskError."""
    for user, host in query("SELECT user, host FROM mysql.global_priv"):
        # A role has no host.
        found = query(f"SHOW GRANTS FOR `{user}`@`{host}`") if user and host else [("a role",)]
        yield from (f"right of {user}@{host}: {right}" for (right,) in found)


def steps(query: Query) -> Iterator[str]:
    """Return which step of its upgrades each schema has reached. Raises AskError."""
    for (schema,) in query("SELECT table_schema FROM information_schema.tables WHERE table_name = 'alembic_version'"):
        found = query(f"SELECT version_num FROM `{schema}`.alembic_version")  # noqa: S608  the name comes from the server
        yield from (f"step of {schema}: {step}" for (step,) in found)


def messaging() -> Iterator[str]:
    """Return accounts and rights of the messaging. Its queues come and go with who listens. Raises AskError."""
    options = ("--quiet", "--no-table-headers")
    yield from (f"messaging user: {line}" for line in ask("rabbitmqctl", "list_users", *options).splitlines())
    for host in ask("rabbitmqctl", "list_vhosts", "name", *options).splitlines():
        rights = ask("rabbitmqctl", "list_permissions", "--vhost", host, *options).splitlines()
        yield from (f"messaging right at {host}: {line}" for line in rights)


def storage() -> Iterator[str]:
    """Return accounts, pools, disks and settings of Ceph. Raises AskError."""
    for row in json.loads(ask("ceph", "auth", "ls", "--format=json"))["auth_dump"]:
        yield f"ceph user: {row['entity']} {json.dumps(row['caps'], sort_keys=True)}"
    state = json.loads(ask("ceph", "osd", "dump", "--format=json"))
    for pool in state["pools"]:
        # How many groups it has is up to Ceph, who changes it by and by.
        told = {name: pool[name] for name in ("size", "min_size", "crush_rule", "application_metadata")}
        # Names of images in the pool's bookkeeping are no part of it.
        told["application_metadata"] = sorted(told["application_metadata"])
        yield f"ceph pool: {pool['pool_name']} {json.dumps(told, sort_keys=True)}"
    for row in json.loads(ask("ceph", "osd", "tree", "--format=json"))["nodes"]:
        yield f"ceph disk: {json.dumps({name: row.get(name) for name in ('name', 'type', 'device_class', 'status')})}"
    for row in json.loads(ask("ceph", "config", "dump", "--format=json")):
        if not row["name"].startswith(MEASURED):
            yield f"ceph setting: {row['section']} {row['name']} {row['value']}"


def connect() -> Query:
    """Return what asks the database as root."""
    # A controller has it; the machine that decides what to ask need not.
    import pymysql  # noqa: PLC0415

    server = pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", autocommit=True)

    def query(statement: str) -> list[tuple[Any, ...]]:
        with server.cursor() as cursor:
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as error:
                raise AskError(f"{statement}: {error}") from None
            return list(cursor.fetchall())

    return query


if __name__ == "__main__":
    database = connect()
    sources = [rows(database, *one) for one in QUERIES.items()]
    sources += [rights(database), steps(database), messaging(), storage()]
    sys.stdout.write(json.dumps(sorted(line for source in sources for line in answers(source))))
