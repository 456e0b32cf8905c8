# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what at Cobbler, and what others get to see."""

from __future__ import annotations

import re
import xmlrpc.client

import pytest

from .conftest import Site

READS = [
    "get_settings",
    "get_systems",
    "get_profiles",
    "get_distros",
    "get_images",
    "get_repos",
    "get_menus",
    "get_signatures",
    "get_events",
    "get_tasks",
    "get_valid_breeds",
    "get_autoinstall_templates",
    "get_autoinstall_snippets",
    "get_random_mac",
    "version",
    "extended_version",
    "ping",
    "get_size",
    "get_user_from_token",
    "last_modified_time",
    "generate_autoinstall",
]
# DHCP hears broadcasts; time and SSH are for the whole site.
EVERYWHERE = {67, 123, 22}


def fault(site: Site, login: str) -> str:
    """Try to log in with the arguments LOGIN; return why it is refused, or an empty text."""
    program = f"""
try:
    server.login({login})
except xmlrpc.client.Fault as error:
    print(error.faultString)
"""
    return site.direct(program)


@pytest.mark.parametrize(
    "login", ["'cobbler', 'cobbler'", "'accentos', 'accentos'", "'accentos', ''", "'', ''", "'', -1", "'<DIRECT>', ''"]
)
def test_known_and_empty_passwords_are_refused(site: Site, login: str) -> None:
    assert "login failed" in fault(site, login)


def test_users_of_the_site_log_in_with_their_generated_passwords(site: Site) -> None:
    secrets = site.secrets()
    for user, name in (("accentos", "cobbler_admin_password"), ("provisioner", "cobbler_provisioner_password")):
        assert len(secrets[name]) == 32
        assert fault(site, f"{user!r}, {secrets[name]!r}") == ""
    assert fault(site, f"'accentos', {secrets['cobbler_provisioner_password']!r}") != ""


def test_a_login_that_ran_out_is_refused(site: Site) -> None:
    password = site.secrets()["cobbler_provisioner_password"]
    program = f"""
logins = (("", open("/var/lib/cobbler/web.ss").read()), ("provisioner", {password!r}))
def use(token):
    try:
        server.modify_system(server.get_system_handle("machine-1", token), "comment", "of a login", token)
        return "accepted"
    except xmlrpc.client.Fault as error:
        return error.faultString.replace(token, "TOKEN")
tokens = [server.login(*login) for login in logins]
print(*map(use, tokens), sep="\\n")
time.sleep(3)
# Cobbler takes who asks this for one who uses it, and counts from now on again.
print(*map(server.token_check, tokens), sep="\\n")
time.sleep(4)
print(*map(use, tokens), sep="\\n")
print(*[use(server.login(*login)) for login in logins], sep="\\n")
"""
    site.sh("deploy-1", "cp /etc/cobbler/settings.yaml /root/settings.yaml")
    try:
        site.sh("deploy-1", "sed -i '/^auth_token_expiration:/s/:.*/: 6/' /etc/cobbler/settings.yaml")
        site.sh("deploy-1", "systemctl restart cobblerd")
        told = site.direct(program).splitlines()
    finally:
        site.sh("deploy-1", "cp /root/settings.yaml /etc/cobbler/; rm /root/settings.yaml; systemctl restart cobblerd")
    accepted, refused = ["accepted"] * 2, ["'invalid token: TOKEN'"] * 2
    assert [line.split(":", 1)[-1] for line in told] == [*accepted, "True", "True", *refused, *accepted]


def test_provisioner_changes_only_what_names_it_as_owner(site: Site) -> None:
    password = site.secrets()["cobbler_provisioner_password"]
    site.direct("make('system', name='machine-2', profile='accentos-deploy')")
    program = f"""
token = server.login("provisioner", {password!r})
for kind, name, key, value in (
    ("system", "machine-1", "netboot_enabled", True),
    ("system", "machine-1", "profile", "accentos-deploy"),
    ("system", "machine-2", "netboot_enabled", True),
    ("profile", "accentos-deploy", "kernel_options", "init=/bin/sh"),
    ("distro", "accentos-amd64", "kernel_options", "init=/bin/sh"),
):
    try:
        change(kind, name, key, value)
        print(kind, "changed")
    except xmlrpc.client.Fault as error:
        print(kind, "refused")
try:
    server.write_autoinstall_snippet("x", "y", token)
    print("snippet changed")
except xmlrpc.client.Fault:
    print("snippet refused")
"""
    told = site.direct(program).splitlines()
    assert told == [
        "system changed",
        "system refused",
        "system refused",
        "profile refused",
        "distro refused",
        "snippet refused",
    ]
    site.direct("server.remove_system('machine-2', token)")
    assert "init=/bin/sh" not in site.direct("print(server.get_profiles(), server.get_distros())")


@pytest.mark.parametrize("method", READS)
def test_reads_from_another_host_are_refused(site: Site, method: str) -> None:
    request = xmlrpc.client.dumps((), method)
    assert site.http(f"https://{site.address}/cobbler_api", data=request)["status"] == 403


def test_api_is_on_loopback_and_behind_tls_only(site: Site) -> None:
    request = xmlrpc.client.dumps((), "version")
    assert site.http(f"http://{site.address}:25151/", data=request)["status"] == 0
    assert site.http(f"http://{site.address}/cobbler_api", data=request)["status"] in (403, 404)
    here = site.http(f"https://{site.address}/cobbler_api", host="deploy-1", data=request)
    assert here["status"] == 200
    assert "3.3" in here["text"]


@pytest.mark.parametrize(
    "path",
    [
        "cblr/svc/op/autoinstall/system/machine-1",
        "cblr/svc/op/settings",
        "cblr/svc/op/list/what/systems",
        "cobbler/",
        "netboot/",
        "netboot/pxelinux.cfg/",
        "images/",
        "server-status",
        "netboot/../../../../etc/passwd",
        "netboot/%2e%2e/%2e%2e/dhcp-hosts",
        "",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_else_is_served(site: Site, scheme: str, path: str) -> None:
    answer = site.http(f"{scheme}://{site.address}/{path}")
    assert answer["status"] in (400, 403, 404)
    assert "machine-1" not in answer["text"].replace(path, "")


def test_images_come_over_tls_and_only_so(site: Site) -> None:
    site.sh("deploy-1", "mkdir -p /srv/accentos/images/test && echo image >/srv/accentos/images/test/image.json")
    try:
        # The other host trusts the site's authority.
        answer = site.http(f"https://{site.address}/images/test/image.json")
        assert (answer["status"], answer["text"]) == (200, "image\n")
        assert site.http(f"http://{site.address}/images/test/image.json")["status"] in (403, 404)
    finally:
        site.sh("deploy-1", "rm -r /srv/accentos/images/test")
    old = site.sh("compute-1", f"openssl s_client -connect {site.address}:443 -tls1_1 </dev/null 2>&1", check=False)
    assert "Cipher is (NONE)" in old or "no protocols available" in old


def test_plain_ports_only_where_machines_need_them(site: Site) -> None:
    allowed = {(site.address, port) for port in (69, 80, 443)}
    lines = site.sh("deploy-1", "ss --listening --numeric --tcp --udp --no-header").splitlines()
    found = {tuple(line.split()[4].rsplit(":", 1)) for line in lines}
    outside = {(address, int(port)) for address, port in found if not re.match(r"127\.|\[::1\]", address)}
    assert {(address, port) for address, port in outside if port not in EVERYWHERE} <= allowed


@pytest.mark.parametrize("unit", ["cobblerd.service", "accentos-dhcp.service"])
def test_sandbox(site: Site, unit: str, record_property: object) -> None:
    told = site.sh("deploy-1", f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
    figure = float(re.findall(r"(\d+\.\d+)", told)[0])
    assert figure <= 2.0, told
    user = site.sh("deploy-1", f"ps -o user= -p $(systemctl show --property=MainPID --value {unit})")
    assert user != "root"


def test_no_secret_in_cobbler_and_its_files_are_private(site: Site) -> None:
    values = [value for name, value in site.secrets().items() if name.startswith("cobbler_")]
    assert len(values) >= 2
    patterns = "\n".join(values)
    where = "/etc /var/lib /var/log /var/cache /srv /usr/local /root /tmp"
    assert site.sh("deploy-1", f"grep -rlsIF -f - {where} || true", patterns) == ""
    files = "/etc/cobbler/users.digest /var/lib/cobbler /var/lib/cobbler/web.ss"
    assert site.sh("deploy-1", f"stat -c '%a %U %G %n' {files}").splitlines() == [
        "640 root cobbler /etc/cobbler/users.digest",
        "750 cobbler cobbler /var/lib/cobbler",
        "640 cobbler cobbler /var/lib/cobbler/web.ss",
    ]
    users = [line.split(":")[0] for line in site.sh("deploy-1", "cat /etc/cobbler/users.digest").splitlines()]
    assert users == ["accentos", "provisioner"]
    assert site.direct("print(server.get_settings()['default_password_crypted'])") == "!"


def test_features_that_let_strangers_write_are_off(site: Site) -> None:
    wanted = ("anamon_enabled", "register_new_installs", "run_install_triggers", "pxe_just_once", "puppet_auto_setup")
    assert site.direct(f"print([server.get_settings()[name] for name in {wanted!r}])") == str([False] * len(wanted))


def test_no_unit_failed(site: Site) -> None:
    assert site.sh("deploy-1", "systemctl --failed --no-legend --plain") == ""
