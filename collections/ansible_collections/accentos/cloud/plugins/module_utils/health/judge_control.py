# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges database, messaging and cache of a controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.health.findings import (
    Check,
    Verdict,
    failure,
    good,
    judge_list,
    judge_share,
    listed,
    warning,
)

_MANY, _TOO_MANY = 80, 95
_HELD_BACK, _MUCH_HELD_BACK = 0.1, 0.5
_OLD_TRANSACTION = 600
_WAITING = 1000
_PLAIN = ("amqp", "mqtt", "stomp", "http")
_WORKS = ("running", "idle", "flow", "")


def in_cluster(wanted: Mapping[str, Any]) -> bool:
    """Tell whether there is more than one controller."""
    return int(wanted.get("controllers", 1)) > 1


def database_answers(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the server that answered."""
    return good(f"MariaDB {data['variables'].get('version', '')}, up {int(data['status']['uptime']) // 60} minutes")


def database_primary(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the server is in the part of the cluster that has the quorum."""
    state = data["status"].get("wsrep_cluster_status", "in no cluster")
    return good(state) if state == "Primary" else failure(state)


def database_synced(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the server has all of the data and takes statements. A donor still serves."""
    state, ready = data["status"].get("wsrep_local_state_comment", "none"), data["status"].get("wsrep_ready", "OFF")
    told = f"{state}, ready {ready}"
    if ready != "ON":
        return failure(told)
    return good(told) if state == "Synced" else warning(told)


def database_members(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many servers the cluster has."""
    size, all_of_them = int(data["status"].get("wsrep_cluster_size", 0)), int(wanted["controllers"])
    told = f"{size} of {all_of_them}"
    if size * 2 <= all_of_them:
        return failure(told)
    return good(told) if size == all_of_them else warning(told)


def database_flow(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge for which share of the time a slow server held the others back."""
    share = float(data["status"].get("wsrep_flow_control_paused", 0))
    told = f"{share * 100:.1f} % of the time"
    return failure(told) if share > _MUCH_HELD_BACK else warning(told) if share > _HELD_BACK else good(told)


def database_connections(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many connections are open, of those that may be."""
    share = 100.0 * int(data["status"]["threads_connected"]) / int(data["variables"]["max_connections"])
    return judge_share({"of max_connections": share}, _MANY, _TOO_MANY)


def database_transactions(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the oldest transaction that is open."""
    told = f"the oldest is {data['oldest']} s old"
    return warning(told) if data["oldest"] > _OLD_TRANSACTION else good(told)


def database_tls(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the server refuses connections without TLS."""
    state = data["variables"].get("require_secure_transport", "OFF")
    return good(state) if state == "ON" else failure(f"require_secure_transport is {state}")


def database_schemas(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether services have their databases."""
    missing = sorted(set(wanted["databases"]) - set(data["databases"]))
    return judge_list(missing, f"{len(wanted['databases'])} are there")


def database_users(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether services have their users."""
    missing = sorted(set(wanted["database_users"]) - set(data["users"]))
    return judge_list(missing, f"{len(wanted['database_users'])} are there")


def anonymous_users(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether somebody without a name is let in."""
    return failure("there is one") if "" in data["users"] else good("there is none")


def messaging_members(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge how many servers of the cluster run."""
    names, all_of_them = data["cluster"]["running_nodes"], int(wanted.get("controllers", 1))
    told = f"{len(names)} of {all_of_them}"
    if len(names) * 2 <= all_of_them:
        return failure(told)
    return good(told) if len(names) >= all_of_them else warning(told)


def messaging_partitions(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether servers were cut off from each other."""
    cut = data["cluster"].get("partitions") or {}
    return judge_list((f"{name} from {', '.join(others)}" for name, others in cut.items()), "none")


def messaging_alarms(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether senders are held back, since memory or disk run out."""
    alarms = [*(data["status"].get("alarms") or ()), *(data["cluster"].get("alarms") or ())]
    return judge_list(dict.fromkeys(map(str, alarms)), "none")


def messaging_disk(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the disk space before senders are held back."""
    free, limit = int(data["status"]["disk_free"]), int(data["status"]["disk_free_limit"])
    told = f"{free / 2**30:.1f} GiB free, senders are held back below {limit / 2**30:.1f}"
    return failure(told) if free <= limit else warning(told) if free < 2 * limit else good(told)


def messaging_listeners(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether clients are let in without TLS. Erlang's own protocol is the servers' affair."""
    plain = (
        f"{one['protocol']} on port {one['port']}" for one in data["status"]["listeners"] if one["protocol"] in _PLAIN
    )
    return judge_list(plain, "TLS only")


def messaging_users(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether services have their users."""
    known = {str(row["user"]) for row in data["users"]}
    return judge_list(sorted(set(wanted["messaging_users"]) - known), f"{len(wanted['messaging_users'])} are there")


def messaging_guest(data: Mapping[str, Any], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether the user with the well-known password is there."""
    return failure("it is there") if any(row["user"] == "guest" for row in data["users"]) else good("it is not there")


def queues_work(data: Sequence[Mapping[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether queues have a server that leads them."""
    bad = (f"{one['name']} is {one['state']}" for one in data if str(one.get("state") or "") not in _WORKS)
    return judge_list(bad, f"{len(data)} queues work")


def queues_read(data: Sequence[Mapping[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether messages wait for nobody, or for somebody who does not come after."""
    bad = [
        f"{one['name']}: {one['messages']} and nobody reads" for one in data if one["messages"] and not one["consumers"]
    ]
    bad += [f"{one['name']}: {one['messages']}" for one in data if one["consumers"] and one["messages"] > _WAITING]
    return judge_list(bad, "none", state="warn")


def logins_accepted(data: Sequence[Mapping[str, Any]], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether services are let in as their files say. A server that does not answer has a check of its own."""

    def told(judged: bool) -> list[str]:
        # A user who logs in to several projects with one password is told once.
        lines = (
            f"{one['user']} of {', '.join(one['files'])}: {one['problem']}"
            for one in data
            if one["problem"] and one["judged"] is judged
        )
        return list(dict.fromkeys(lines))

    if not told(judged=True) and (unasked := told(judged=False)):
        return Verdict("unknown", listed(unasked))
    return judge_list(told(judged=True), f"{len(data)} are let in")


def cache_answers(data: Mapping[str, str], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge the cache that answered."""
    return good(f"memcached {data['version']}") if "version" in data else failure("it tells nothing of itself")


def cache_connections(data: Mapping[str, str], _wanted: Mapping[str, Any]) -> Verdict:
    """Judge whether clients found no connection free."""
    refused = int(data.get("rejected_connections", 0)) + int(data.get("listen_disabled_num", 0))
    return warning(f"{refused} times since its start") if refused else good("never")


_GALERA = "See journalctl --unit mariadb; deploy.yml --tags infrastructure lets it join, or begins a lost cluster."
_SERVER = (
    "See journalctl --unit mariadb and disk space; deploy.yml --tags infrastructure lets it run with its configuration."
)
_ACCOUNTS = "Run deploy.yml again, which makes databases and accounts that are missing."
_RABBIT = (
    "See journalctl --unit rabbitmq-server there and the layer network; deploy.yml --tags infrastructure starts it."
)

_LOGINS = (
    "Run deploy.yml again, which sets accounts and files to the passwords of the site; what was changed by hand is in "
    "the file named."
)

CONTROL_CHECKS = (
    Check(
        "database answers",
        "database",
        "database",
        database_answers,
        "it answers at its socket",
        "All services keep their state in it.",
        _SERVER,
        answers=True,
    ),
    Check(
        "database quorum",
        "database",
        "database",
        database_primary,
        "Primary",
        "A server without quorum refuses every statement, to keep data from splitting.",
        _GALERA,
        applies=in_cluster,
    ),
    Check(
        "database is up to date",
        "database",
        "database",
        database_synced,
        "Synced and ready",
        "A server that still takes data, or gives them, serves late or not at all.",
        "Wait while it catches up, and see journalctl --unit mariadb; is it long, look at disks and network.",
        applies=in_cluster,
    ),
    Check(
        "database servers",
        "database",
        "database",
        database_members,
        "one on each controller",
        "With the next one the quorum is gone, and the cloud with it.",
        _GALERA,
        applies=in_cluster,
    ),
    Check(
        "database flow",
        "database",
        "database",
        database_flow,
        f"held back below {_HELD_BACK * 100:.0f} % of the time",
        "One slow server makes all of them slow.",
        "Look at disk and processors of the slowest: wsrep_local_recv_queue_avg is highest there.",
        applies=in_cluster,
    ),
    Check(
        "database connections",
        "database",
        "database",
        database_connections,
        f"below {_MANY} % of max_connections",
        "At the limit services fail with 'Too many connections'.",
        "Find who has so many (SHOW PROCESSLIST), give APIs fewer processes or raise mariadb_connections.",
    ),
    Check(
        "old transactions",
        "database",
        "database",
        database_transactions,
        f"none older than {_OLD_TRANSACTION} s",
        "It holds locks, and old versions of rows that fill the disk.",
        "See who it is (SELECT * FROM information_schema.innodb_trx), and restart that service.",
    ),
    Check(
        "database over TLS",
        "database",
        "database",
        database_tls,
        "connections without TLS are refused",
        "Passwords and tokens would cross the network for everybody to read.",
        _SERVER,
    ),
    Check(
        "databases of services",
        "database",
        "database",
        database_schemas,
        "each service has its databases",
        "Its service does not start.",
        _ACCOUNTS,
        applies=lambda wanted: bool(wanted.get("databases")),
    ),
    Check(
        "database users",
        "database",
        "database",
        database_users,
        "each service has its user",
        "Its service cannot log in.",
        _ACCOUNTS,
        applies=lambda wanted: bool(wanted.get("database_users")),
    ),
    Check(
        "anonymous database user",
        "database",
        "database",
        anonymous_users,
        "nobody without a name is let in",
        "Whoever reaches the port is in.",
        "Remove it: DROP USER ''@'localhost' and what SELECT User, Host FROM mysql.user shows.",
    ),
    Check(
        "messaging servers",
        "messaging",
        "messaging",
        messaging_members,
        "one on each controller",
        "With the next one queues lose their majority, and requests are answered no more.",
        _RABBIT,
        answers=True,
    ),
    Check(
        "messaging partitions",
        "messaging",
        "messaging",
        messaging_partitions,
        "no server is cut off from others",
        "Services on either side wait for answers from the other.",
        "Mend the network between the controllers; the smaller side comes back by itself, else restart "
        "rabbitmq-server there.",
    ),
    Check(
        "messaging alarms",
        "messaging",
        "messaging",
        messaging_alarms,
        "no alarm",
        "While there is one nobody may send, so every request stands still.",
        "Free disk space or memory of the host that it names; see rabbitmq-diagnostics alarms.",
    ),
    Check(
        "messaging disk",
        "messaging",
        "messaging",
        messaging_disk,
        "twice the space below which senders are held back",
        "Below the limit nobody may send.",
        "Free space below /var/lib/rabbitmq.",
    ),
    Check(
        "messaging over TLS",
        "messaging",
        "messaging",
        messaging_listeners,
        "clients are let in with TLS only",
        "Passwords would cross the network for everybody to read.",
        "Run deploy.yml --tags infrastructure; look for a setting of rabbitmq_settings that opens it.",
    ),
    Check(
        "messaging users",
        "messaging",
        "messaging",
        messaging_users,
        "each service has its user",
        "Its service cannot log in.",
        _ACCOUNTS,
        applies=lambda wanted: bool(wanted.get("messaging_users")),
    ),
    Check(
        "messaging user guest",
        "messaging",
        "messaging",
        messaging_guest,
        "it is not there",
        "Everybody knows its password.",
        "Remove it: rabbitmqctl delete_user guest.",
    ),
    Check(
        "queues",
        "messaging",
        "queues",
        queues_work,
        "each has a server that leads it",
        "Requests to a queue without a leader are lost or wait.",
        "Bring the controllers back that are away; then restart the services whose queues they are.",
        answers=True,
    ),
    Check(
        "waiting messages",
        "messaging",
        "queues",
        queues_read,
        f"none without a reader, and below {_WAITING} in each queue",
        "A service that does not read does not work, whatever systemd says.",
        "The queue's name tells service and host: restart it and read its log. Queues of hosts that left may be "
        "deleted.",
    ),
    Check(
        "cache",
        "identity",
        "cache",
        cache_answers,
        "memcached answers on loopback",
        "Without it every request asks the identity service again, and the dashboard forgets who logged in.",
        "See journalctl --unit memcached; deploy.yml --tags infrastructure starts it.",
        answers=True,
    ),
    Check(
        "connections of the cache",
        "identity",
        "cache",
        cache_connections,
        "clients always found one free",
        "Requests wait for it.",
        "Raise memcached_connections.",
    ),
    *(
        Check(
            f"logins at the {name}",
            layer,
            f"{layer}_logins",
            logins_accepted,
            "every user and password in the files of services on this host is let in",
            "Its service fails at its next login, at the latest when it is restarted.",
            _LOGINS,
            answers=True,
        )
        for layer, name in (("database", "database"), ("messaging", "messaging"), ("identity", "identity service"))
    ),
)
