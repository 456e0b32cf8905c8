# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbook prepare leaves on a host, looked at from outside Ansible."""

from __future__ import annotations

import re
import time

from testinfra.host import Host

PKI = "/etc/accentos/pki"


def short_name(host: Host) -> str:
    """Return the name of a host in the inventory."""
    return str(host.backend.get_hostname())


def test_host_is_named_and_knows_the_others(host: Host) -> None:
    assert host.check_output("hostname --short") == short_name(host)
    assert host.check_output("hostname --fqdn") == f"{short_name(host)}.molecule.example.test"
    assert host.check_output("getent hosts compute-1").split() == [
        "10.91.0.31",
        "compute-1.molecule.example.test",
        "compute-1",
    ]
    assert host.check_output("getent hosts api.molecule.example.test").split() == [
        "10.91.0.20",
        "api.molecule.example.test",
    ]


def test_every_package_source_names_its_key(host: Host) -> None:
    sources = host.check_output("cat /etc/apt/sources.list.d/*.sources")
    stanzas = [stanza for stanza in re.split(r"\n\s*\n", sources) if "Types:" in stanza]
    assert len(stanzas) == 2
    assert all("Signed-By: /usr/share/keyrings/" in stanza for stanza in stanzas)
    assert not host.file("/etc/apt/sources.list").exists
    assert "trusted" not in sources.lower()
    assert host.run("find /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d -newer /etc/machine-id -type f").stdout == ""


def test_packages_are_installed_and_none_is_half_configured(host: Host) -> None:
    for package in ("chrony", "python3-cryptography", "sudo"):
        assert host.package(package).is_installed
    assert host.check_output("dpkg --audit") == ""


def test_packages_do_not_start_what_a_role_has_still_to_configure(host: Host) -> None:
    # The first role with such a service makes the folder; here is none.
    folder = "/etc/accentos/start-policy.d"
    listed = f"{folder}/test"
    host.check_output("mkdir %s", folder)
    host.check_output("printf 'example.service\\nssh.service\\n' > %s", listed)
    try:
        answers = {
            words: host.run(f"/usr/sbin/policy-rc.d {words}").rc
            for words in (
                "example start",
                "example.service restart",
                "example stop",
                "example.socket start",
                "ssh start",
            )
        }
    finally:
        host.check_output("rm -r %s", folder)
    assert answers == {
        "example start": 101,
        "example.service restart": 101,
        # Only starting is decided here, only what is listed, and what runs may be restarted.
        "example stop": 0,
        "example.socket start": 0,
        "ssh start": 0,
    }


def test_administrator_comes_in_by_key_and_becomes_root(host: Host) -> None:
    operator = host.user("operator")
    assert operator.shell == "/bin/bash"
    assert operator.password.startswith(("!", "*"))
    assert host.file("/etc/sudoers.d/accentos-administrators").mode == 0o440
    assert host.check_output("visudo --check --quiet && echo fine") == "fine"
    assert host.check_output("su operator -c 'sudo --non-interactive id --user'") == "0"


def test_kernel_runs_with_the_written_settings(host: Host) -> None:
    written = host.file("/etc/sysctl.d/60-accentos.conf").content_string
    settings = [line.split(" = ") for line in written.splitlines() if " = " in line]
    assert settings
    for key, value in settings:
        # A star stands for every interface: each must have the value.
        files = f"/proc/sys/{key.replace('.', '/')}"
        assert set(host.check_output(f"cat {files}").split()) == {value}, key
        # The other settings belong to the machine below the container.
        assert key.startswith("net.")


def test_no_interface_sends_or_accepts_redirects(host: Host) -> None:
    interfaces = host.check_output("ls /sys/class/net").split()
    assert {"lo", "eth0"} <= set(interfaces)
    # A later one takes its values from "default".
    host.check_output("ip link add later type dummy 2>/dev/null || ip link add later type bridge")
    try:
        for interface in [*interfaces, "all", "default", "later"]:
            for setting in (
                "ipv4/conf/{}/send_redirects",
                "ipv4/conf/{}/accept_redirects",
                "ipv6/conf/{}/accept_redirects",
            ):
                assert host.check_output(f"cat /proc/sys/net/{setting.format(interface)}") == "0", (interface, setting)
    finally:
        host.check_output("ip link del later")


def test_time_comes_from_the_deploy_host_and_is_authenticated(host: Host) -> None:
    assert host.service("chrony").is_running
    assert host.service("chrony").is_enabled
    keys = host.file("/etc/chrony/chrony.keys")
    assert (keys.user, keys.group, keys.mode) == ("root", "_chrony", 0o640)
    if short_name(host) == "deploy-1":
        return
    for _attempt in range(60):
        if host.run("chronyc -n sources").stdout.count("^* 10.91.0.11"):
            break
        time.sleep(1)
    else:
        raise AssertionError(host.run("chronyc -n sources; chronyc -n authdata; journalctl --unit chrony").stdout)
    assert re.search(r"^10\.91\.0\.11\s+SK\s+1\s", host.check_output("chronyc -n authdata"), re.MULTILINE)


def test_certificate_is_signed_for_this_host_and_its_key_is_private(host: Host) -> None:
    verify = (
        f"openssl verify -purpose sslserver -verify_hostname {short_name(host)} -CAfile {PKI}/ca.crt {PKI}/host.crt"
    )
    assert host.check_output(verify) == f"{PKI}/host.crt: OK"
    assert host.run(verify.replace(short_name(host), "stranger")).rc != 0
    # The system's own store trusts it as well.
    assert host.run(f"openssl verify {PKI}/host.crt").rc == 0
    assert host.file(f"{PKI}/host.key").mode == 0o640
    public = host.check_output(f"openssl x509 -in {PKI}/host.crt -noout -pubkey")
    assert host.check_output(f"openssl pkey -in {PKI}/host.key -pubout") == public


def test_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
