# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What haproxy is told of services with one server and with several."""

from __future__ import annotations

from pathlib import Path

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

AGAIN = ("retry", "redispatch", "repeatable")
TEMPLATE = Path(__file__).parents[3] / "roles/load_balancer/templates/haproxy.cfg.j2"
VARIABLES = {
    "load_balancer_address": "10.20.0.10",
    "load_balancer_connections": 8000,
    "load_balancer_health_port": 3308,
    "load_balancer_names": ["DNS:api.example.test"],
    "site_domain": "example.test",
    "__load_balancer_certificate": "/etc/accentos/pki/api",
    "groups": {"controller": ["one", "two"]},
    "hostvars": {
        name: {"host_addresses": {"management": f"10.20.0.{end}"}}
        for end, name in enumerate(("one", "two", "three"), 11)
    },
    "load_balancer_services": [
        {"name": "keystone", "port": 5000, "check": "/healthcheck", "repeatable": ["/v3/auth/tokens", "/v3/other"]},
        {"name": "dashboard", "port": 443, "hosts": ["three"]},
        {"name": "mariadb", "port": 3306, "mode": "tcp", "backup": True, "check": "/", "check_port": 3307},
    ],
}


def rendered() -> dict[str, list[str]]:
    """Return the lines of each section of the configuration."""
    source = trust_as_template(TEMPLATE.read_text(encoding="utf-8").replace("# {{ ansible_managed }}\n", ""))
    sections: dict[str, list[str]] = {}
    for line in Templar(loader=DataLoader(), variables=VARIABLES).template(source).splitlines():
        if line and not line.startswith(" "):
            lines = sections.setdefault(line, [])
        elif line:
            lines.append(line.strip())
    return sections


def test_a_service_is_checked_as_its_own_servers_need() -> None:
    sections = rendered()
    assert {"timeout check 20s", "default-server check inter 5s downinter 2s fall 5 rise 1"} <= set(
        sections["listen dashboard"]
    )
    for name, end in (("keystone", ""), ("mariadb", " observe layer4 error-limit 1 on-error mark-down")):
        servers = f"check inter 2s fastinter 500ms fall 2 rise 2 on-marked-down shutdown-sessions{end}"
        assert {"timeout check 5s", f"default-server {servers}"} <= set(sections[f"listen {name}"])
    assert [line for line in sections["listen mariadb"] if line.startswith("server ")] == [
        f"server {name} 10.20.0.{end}:3306 check-ssl port 3307 verify required ca-file /etc/accentos/pki/ca.crt"
        f" verifyhost {name}.example.test check-sni {name}.example.test{more}"
        for name, end, more in (("one", 11, ""), ("two", 12, " backup"))
    ]
    asked = {"option httpchk GET /", "http-check expect status 200"}
    assert asked <= set(sections["listen mariadb"])
    assert not asked & set(sections["listen dashboard"])


def test_who_writes_is_kept_where_one_is_used_at_a_time() -> None:
    for name, lines in rendered().items():
        assert ("stick on int(1)" in lines) is (name == "listen mariadb")


def test_no_service_has_its_checks_from_elsewhere() -> None:
    assert not [line for line in rendered()["defaults"] if "check" in line]


def test_only_requests_that_may_come_twice_are_sent_again() -> None:
    sections = rendered()
    assert [line for line in sections["listen keystone"] if any(word in line for word in AGAIN)] == [
        "retry-on conn-failure empty-response 502 503 504",
        "option redispatch 1",
        "acl repeatable path /v3/auth/tokens /v3/other",
        # haproxy keeps for a second time only what it has as a whole before it hands on the first byte.
        "http-request wait-for-body time 120s if METH_POST repeatable",
        "http-request disable-l7-retry unless METH_GET or METH_POST repeatable",
    ]
    for name, lines in sections.items():
        if name != "listen keystone":
            assert not [line for line in lines if "retry" in line or "wait-for-body" in line]
