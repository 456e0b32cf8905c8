# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planned configuration passes the checklists of the OpenStack Security Guide, as docs/security_guide.md says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.quality.test_services import as_templates, plan
from tests.quality.tree import ROOT

# Checks of each list; of those of the identity service the guide calls the fourth obsolete.
LISTS = {
    "Block": 9,
    "Compute": 5,
    "Dashboard": 11,
    "Identity": 8,
    "Image": 5,
    "Key-Manager": 4,
    "Neutron": 5,
    "Shared": 8,
}
OBSOLETE = "Check-Identity-04"
CONFIGURATION = {
    "Block": "/etc/cinder/cinder.conf",
    "Compute": "/etc/nova/nova.conf",
    "Dashboard": "/etc/openstack-dashboard/local_settings.d/_90_accentos.py",
    "Identity": "/etc/keystone/keystone.conf",
    "Image": "/etc/glance/glance-api.conf",
    "Key-Manager": "/etc/barbican/barbican.conf",
    "Neutron": "/etc/neutron/neutron.conf",
}
REQUEST_BYTES = 114688


class Planned:
    """What is planned for a controller of a site with these variables."""

    def __init__(self, **given: Any) -> None:
        self.files = {file["path"]: file for file in plan("controller-1", **given)["files"]}

    def option(self, name: str, section: str, option: str, default: Any = None) -> Any:
        """Return the value of an option in the main file of a service, or what the release takes without it."""
        return self.files[CONFIGURATION[name]]["sections"].get(section, {}).get(option, default)

    def setting(self, name: str) -> str:
        """Return how a setting of the dashboard is written."""
        found = re.findall(rf"(?m)^{re.escape(name)} = (.+)$", self.files[CONFIGURATION["Dashboard"]]["content"])
        return str(found[0]) if len(found) == 1 else f"written {len(found)} times"


def owned_by_root(name: str) -> Callable[[Planned], bool]:
    """Return the check that files of a service belong to root and the service's group."""

    def check(planned: Planned) -> bool:
        file = planned.files[CONFIGURATION[name]]
        return bool(
            file["owner"] == "root"
            and file["group"] == CONFIGURATION[name].split("/")[2].replace("openstack-dashboard", "horizon")
        )

    return check


def strict(name: str) -> Callable[[Planned], bool]:
    """Return the check that nobody else reads any file beside the main file of a service."""

    def check(planned: Planned) -> bool:
        folder = CONFIGURATION[name].split("/")[2]
        modes = [int(file["mode"], 8) for path, file in planned.files.items() if path.startswith(f"/etc/{folder}/")]
        return bool(modes) and all(mode & 0o137 == 0 for mode in modes)

    return check


def option(name: str, section: str, key: str, wanted: Any, default: Any = None) -> Callable[[Planned], bool]:
    """Return the check that an option has the wanted value."""
    return lambda planned: bool(planned.option(name, section, key, default) == wanted)


def asks_over_tls(name: str, section: str = "keystone_authtoken") -> Callable[[Planned], bool]:
    """Return the check that a service asks another one over TLS and verifies its certificate."""

    def check(planned: Planned) -> bool:
        urls = [planned.option(name, section, key) for key in ("auth_url", "www_authenticate_uri", "endpoint_override")]
        return (
            all(url.startswith("https://") for url in urls if url)
            and urls[0] is not None
            and planned.option(name, section, "cafile") == "/etc/accentos/pki/ca.crt"
            and planned.option(name, section, "insecure", False) is False
        )

    return check


def serves_tls(path: str) -> Callable[[Planned], bool]:
    """Return the check that the server of an API has one socket, with TLS."""

    def check(planned: Planned) -> bool:
        options = planned.files[path]["sections"]["uwsgi"]
        return "https-socket" in options and not {"http", "http-socket", "socket"} & set(options)

    return check


def setting(name: str, wanted: str) -> Callable[[Planned], bool]:
    """Return the check that the dashboard has a setting."""
    return lambda planned: planned.setting(name) == wanted


# Of a service that a site has only if it describes it.
KEY_MANAGER_CHECKS: dict[str, Callable[[Planned], bool]] = {
    "Check-Block-09": lambda planned: all(
        planned.option(name, "key_manager", "backend") == "barbican"
        and planned.option(name, "barbican", "auth_endpoint").startswith("https://")
        and planned.option(name, "barbican", "verify_ssl_path") == "/etc/accentos/pki/ca.crt"
        for name in ("Block", "Compute")
    ),
    "Check-Key-Manager-01": owned_by_root("Key-Manager"),
    "Check-Key-Manager-02": strict("Key-Manager"),
    "Check-Key-Manager-03": option("Key-Manager", "keystone_authtoken", "username", "barbican"),
    "Check-Key-Manager-04": asks_over_tls("Key-Manager"),
}
CHECKS: dict[str, Callable[[Planned], bool]] = {
    **{f"Check-{name}-01": owned_by_root(name) for name in CONFIGURATION if name != "Key-Manager"},
    **{f"Check-{name}-02": strict(name) for name in CONFIGURATION if name != "Key-Manager"},
    "Check-Identity-03": serves_tls("/etc/keystone/keystone-uwsgi.ini"),
    "Check-Identity-05": option("Identity", "oslo_middleware", "max_request_body_size", REQUEST_BYTES),
    "Check-Identity-06": option("Identity", "DEFAULT", "admin_token", None),
    "Check-Identity-07": option("Identity", "DEFAULT", "insecure_debug", False, default=False),
    "Check-Identity-08": option("Identity", "token", "provider", "fernet"),
    "Check-Dashboard-03": setting("DISALLOW_IFRAME_EMBED", "True"),
    "Check-Dashboard-04": setting("CSRF_COOKIE_SECURE", "True"),
    "Check-Dashboard-05": setting("SESSION_COOKIE_SECURE", "True"),
    "Check-Dashboard-06": setting("SESSION_COOKIE_HTTPONLY", "True"),
    "Check-Dashboard-07": setting('HORIZON_CONFIG["password_autocomplete"]', '"off"'),
    "Check-Dashboard-08": setting('HORIZON_CONFIG["disable_password_reveal"]', "True"),
    "Check-Dashboard-09": setting("ENFORCE_PASSWORD_CHECK", "True"),
    "Check-Dashboard-10": lambda planned: "regex" in planned.setting('HORIZON_CONFIG["password_validator"]'),
    "Check-Compute-03": option("Compute", "api", "auth_strategy", "keystone"),
    "Check-Compute-04": asks_over_tls("Compute"),
    "Check-Compute-05": asks_over_tls("Compute", "glance"),
    "Check-Block-03": option("Block", "DEFAULT", "auth_strategy", "keystone"),
    "Check-Block-04": asks_over_tls("Block"),
    "Check-Block-05": asks_over_tls("Block", "nova"),
    "Check-Block-06": lambda planned: (
        planned.option("Block", "DEFAULT", "glance_ca_certificates_file") == "/etc/accentos/pki/ca.crt"
        and planned.option("Block", "DEFAULT", "glance_api_insecure", default=False) is False
        and planned.option("Block", "DEFAULT", "glance_api_servers") is None
    ),
    "Check-Block-07": lambda planned: all(
        options.get(name, "auto") == "auto"
        for options in planned.files[CONFIGURATION["Block"]]["sections"].values()
        for name in ("nas_secure_file_operations", "nas_secure_file_permissions")
    ),
    "Check-Block-08": option("Block", "oslo_middleware", "max_request_body_size", REQUEST_BYTES, default=REQUEST_BYTES),
    "Check-Image-03": option("Image", "paste_deploy", "flavor", "keystone"),
    "Check-Image-04": asks_over_tls("Image"),
    "Check-Image-05": lambda planned: (
        "web-download" not in planned.option("Image", "DEFAULT", "enabled_import_methods")
    ),
    "Check-Neutron-03": option("Neutron", "DEFAULT", "auth_strategy", "keystone"),
    "Check-Neutron-04": asks_over_tls("Neutron"),
    "Check-Neutron-05": serves_tls("/etc/neutron/neutron-api-uwsgi.ini"),
}


def told() -> dict[str, str]:
    """Return the state of each check in the document; each stands in it once."""
    text = (ROOT / "docs/security_guide.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| (Check-[\w-]+) \| [^|]+ \| ([^|]+) \|", text)
    assert [name for name, times in Counter(name for name, _ in rows).items() if times > 1] == []
    return dict(rows)


@pytest.fixture(scope="module")
def planned() -> Planned:
    return Planned()


@pytest.fixture(scope="module")
def planned_with_key_manager() -> Planned:
    text = (ROOT / "docs/services.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?s)```yaml\n(openstack_service_extra:.*?)```", text)
    return Planned(**as_templates(yaml.safe_load(block)))


def test_the_document_names_every_check_of_the_guide() -> None:
    every = {f"Check-{name}-{number:02}" for name, count in LISTS.items() for number in range(1, count + 1)}
    assert set(told()) == every - {OBSOLETE}
    assert len(told()) == 54


@pytest.mark.parametrize(("state", "checks"), [("met", CHECKS), ("with a key manager", KEY_MANAGER_CHECKS)])
def test_what_the_document_calls_met_is_checked_and_nothing_else(state: str, checks: dict[str, object]) -> None:
    assert {name for name, found in told().items() if found == state} == set(checks)
    assert set(told().values()) == {"met", "with a key manager", "no service", "does not apply"}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_the_planned_configuration_passes(planned: Planned, name: str) -> None:
    assert CHECKS[name](planned)


@pytest.mark.parametrize("name", sorted(CHECKS | KEY_MANAGER_CHECKS))
def test_the_configuration_that_is_planned_with_a_key_manager_passes(
    planned_with_key_manager: Planned, name: str
) -> None:
    assert (CHECKS | KEY_MANAGER_CHECKS)[name](planned_with_key_manager)


def test_without_a_key_manager_nobody_asks_one(planned: Planned) -> None:
    for name in ("Block", "Compute"):
        assert planned.option(name, "key_manager", "backend") is None
        assert planned.option(name, "barbican", "auth_endpoint") is None


def test_services_are_found_by_the_catalogue_which_names_https_only() -> None:
    # Checks of the guide ask for URLs of other services, which stand nowhere here.
    assert plan("controller-1", "{'url': openstack_service_api_url}")["url"].startswith("https://")
