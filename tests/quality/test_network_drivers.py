# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A site has one of two drivers of networks: without a word of it OVN, otherwise agents that set up Open vSwitch."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from tests.quality.test_services import GROUPS, as_templates, plan, sections
from tests.quality.tree import COLLECTION, load

ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"
CONF = "/etc/neutron/neutron.conf"
NETWORKS = {
    "management": {"cidr": "10.0.0.0/24"},
    "tunnel": {"cidr": "10.0.1.0/24"},
    "external": {"cidr": "10.0.3.0/24"},
}
OUTSIDE = [{"name": "eth3", "mac": "02:00:00:00:00:31", "network": "external"}]
# The start scripts of the packages hand these to the agents, besides neutron.conf.
AGENT_FILES = {
    "neutron-dhcp-agent": "/etc/neutron/dhcp_agent.ini",
    "neutron-l3-agent": "/etc/neutron/l3_agent.ini",
    "neutron-metadata-agent": "/etc/neutron/metadata_agent.ini",
    "neutron-openvswitch-agent": "/etc/neutron/plugins/ml2/openvswitch_agent.ini",
}


def network(planned: dict[str, Any], kind: str) -> list[str]:
    """Return the packages or units of the network service."""
    names = [one if kind == "packages" else one["name"].removesuffix(".service") for one in planned[kind]]
    return sorted(name for name in names if name.startswith("neutron"))


def with_agents(host: str, *, kernel: bool = True, **given: Any) -> dict[str, Any]:
    """Return the plan of a host whose site has the driver openvswitch; KERNEL tells whether its kernel switches."""
    found = {"host_capabilities": {"kernel": {"openvswitch": kernel}}}
    values: dict[str, Any] = {
        "site_network_driver": "openvswitch",
        "site_networks": NETWORKS,
        "openvswitch_result": found,
    }
    planned: dict[str, Any] = plan(host, **values, **given)
    return planned


def test_a_site_that_says_nothing_has_ovn_as_ever() -> None:
    controller, compute = plan("controller-1"), plan("compute-1")
    assert controller == plan("controller-1", site_network_driver="ovn")
    assert compute == plan("compute-1", site_network_driver="ovn")
    assert (
        network(controller, "units")
        == network(controller, "packages")
        == [
            "neutron-api",
            "neutron-ovn-maintenance-worker",
            "neutron-periodic-workers",
            "neutron-rpc-server",
        ]
    )
    assert network(compute, "units") == network(compute, "packages") == ["neutron-ovn-metadata-agent"]
    proven = {
        f"ovn_{short}_{option}": f"/etc/accentos/pki/{name}"
        for short in ("nb", "sb")
        for option, name in (("ca_cert", "ca.crt"), ("certificate", "neutron.crt"), ("private_key", "neutron.key"))
    }
    assert sections(controller, ML2) == {
        "ml2": {
            "extension_drivers": ["port_security", "qos"],
            "mechanism_drivers": "ovn",
            "overlay_ip_version": 4,
            "tenant_network_types": "geneve",
            "type_drivers": ["geneve", "flat", "vlan"],
        },
        "ml2_type_flat": {"flat_networks": "external"},
        "ml2_type_geneve": {"max_header_size": 38, "vni_ranges": "1:65536"},
        "ml2_type_vlan": {"network_vlan_ranges": "external"},
        "ovn": {
            "enable_distributed_floating_ip": False,
            "ovn_emit_need_to_frag": True,
            "ovn_metadata_enabled": True,
            "ovn_nb_connection": "ssl:10.0.0.21:6641",
            "ovn_sb_connection": "ssl:10.0.0.21:6642",
            **proven,
        },
        "securitygroup": {"enable_security_group": True},
    }
    assert sections(controller, CONF)["DEFAULT"]["service_plugins"] == ["ovn-router", "metering", "qos"]
    assert not {"router_distributed", "l3_ha", "host"} & set(sections(controller, CONF)["DEFAULT"])
    assert "transport_url" not in sections(compute, CONF)["DEFAULT"]
    assert not set(AGENT_FILES.values()) & {file["path"] for one in (controller, compute) for file in one["files"]}


def test_with_the_other_driver_hosts_have_its_agents_and_nothing_of_ovn() -> None:
    agents = ["neutron-l3-agent", "neutron-metadata-agent", "neutron-openvswitch-agent"]
    server = ["neutron-api", "neutron-dhcp-agent", "neutron-periodic-workers", "neutron-rpc-server"]
    for host, expected in (("controller-1", sorted(agents + server)), ("compute-1", agents)):
        planned = with_agents(host)
        assert network(planned, "units") == network(planned, "packages") == expected
        assert [unit for unit in planned["start_policy"] if "-ovn-" in unit] == []
        texts = [str(file.get("sections")) for file in planned["files"] if file["path"].startswith("/etc/neutron/")]
        assert [text for text in texts if "ovn" in text] == []
        for unit in (unit for unit in planned["units"] if unit["name"].removesuffix(".service") in AGENT_FILES):
            assert {CONF, AGENT_FILES[unit["name"].removesuffix(".service")]} <= set(unit["inputs"])
    assert sections(with_agents("controller-1"), ML2) == {
        "ml2": {
            "extension_drivers": ["port_security", "qos"],
            "mechanism_drivers": ["openvswitch", "l2population"],
            "overlay_ip_version": 4,
            "tenant_network_types": "vxlan",
            "type_drivers": ["vxlan", "flat", "vlan"],
        },
        "ml2_type_flat": {"flat_networks": "external"},
        "ml2_type_vlan": {"network_vlan_ranges": "external"},
        "ml2_type_vxlan": {"vni_ranges": "1:65536"},
        "securitygroup": {"enable_security_group": True},
    }


def test_who_only_reads_what_a_host_should_have_needs_no_answer_of_its_kernel() -> None:
    # The doctor does; only a deployment has asked.
    unasked = plan("compute-1", site_network_driver="openvswitch", site_networks=NETWORKS)
    assert [unasked[part] for part in ("units", "packages")] == [
        with_agents("compute-1")[part] for part in ("units", "packages")
    ]


def test_routers_are_on_all_hosts_and_lead_outside_where_there_is_a_way() -> None:
    conf = sections(with_agents("controller-1"), CONF)["DEFAULT"]
    assert (conf["router_distributed"], conf["l3_ha"], conf["service_plugins"]) == (True, False, ["router", "qos"])

    def mode_and_bridges(host: str, **given: Any) -> tuple[Any, Any]:
        planned = with_agents(host, **given)
        bridges = sections(planned, AGENT_FILES["neutron-openvswitch-agent"])["ovs"]["bridge_mappings"]
        return sections(planned, AGENT_FILES["neutron-l3-agent"])["DEFAULT"]["agent_mode"], bridges

    assert mode_and_bridges("controller-1") == ("dvr_snat", ["external:br-ex"])
    assert mode_and_bridges("compute-1") == ("dvr_no_external", None)
    assert mode_and_bridges("compute-1", host_interfaces=OUTSIDE) == ("dvr", ["external:br-ex"])
    assert mode_and_bridges("compute-1", openvswitch_gateway=True) == ("dvr_snat", ["external:br-ex"])
    own = {"openvswitch_external_bridge": "br-outside", "openvswitch_external_interface": "eth7"}
    assert mode_and_bridges("compute-1", **own) == ("dvr", ["external:br-outside"])


def test_the_way_out_is_taken_over_where_there_are_several_controllers() -> None:
    groups = {**GROUPS, "controller": ["controller-1", "compute-1"]}
    conf = sections(with_agents("controller-1", groups=groups), CONF)["DEFAULT"]
    assert (conf["l3_ha"], conf["dhcp_agents_per_network"]) == (True, 2)


@pytest.mark.parametrize(("kernel", "datapath"), [(True, "system"), (False, "netdev")])
def test_agents_switch_where_the_switch_does(kernel: bool, datapath: str) -> None:
    planned = with_agents("controller-1", kernel=kernel)
    for name in ("neutron-dhcp-agent", "neutron-l3-agent", "neutron-openvswitch-agent"):
        found = sections(planned, AGENT_FILES[name])
        assert (found["ovs"]["datapath_type"], found["ovs"]["ovsdb_connection"]) == (datapath, "tcp:127.0.0.1:6640")
        if name != "neutron-openvswitch-agent":
            # With the datapath of the userspace a port in a namespace has to outlive the process of the switch.
            assert found["DEFAULT"]["ovs_use_veth"] == (not kernel)
    agent = sections(planned, AGENT_FILES["neutron-openvswitch-agent"])
    assert agent["ovs"]["local_ip"] == "10.0.1.21"
    assert (agent["agent"]["enable_distributed_routing"], agent["agent"]["l2_population"]) == (True, True)
    assert agent["securitygroup"]["firewall_driver"] == "openvswitch"


def test_an_agent_is_known_by_the_name_of_its_host_and_asks_over_tls() -> None:
    planned = with_agents("compute-1")
    conf = sections(planned, CONF)
    assert conf["DEFAULT"]["host"] == sections(planned, "/etc/nova/nova.conf")["DEFAULT"]["host"] == "compute-1"
    assert conf["DEFAULT"]["transport_url"].startswith("rabbit://neutron:{secret-in-url:neutron_messaging_password}@")
    assert conf["oslo_messaging_rabbit"]["ssl"] is True
    assert "database" not in conf
    metadata = sections(planned, AGENT_FILES["neutron-metadata-agent"])["DEFAULT"]
    assert (metadata["nova_metadata_protocol"], metadata["auth_ca_cert"]) == ("https", "/etc/accentos/pki/ca.crt")
    nova = sections(planned, "/etc/nova/nova.conf")["neutron"]
    assert metadata["metadata_proxy_shared_secret"] == nova["metadata_proxy_shared_secret"]
    unchecked = [file["path"] for file in planned["files"] if "sections" in file and not file["namespaces"]]
    assert unchecked == []


def test_what_runs_before_the_switch_needs_to_know_nothing_of_it() -> None:
    """The load balancer and the identity service are deployed while nobody has asked yet what kernels can do."""
    early = "__openstack_service_known | accentos.cloud.openstack_listeners(openstack_service_services)"
    given: dict[str, Any] = {"site_network_driver": "openvswitch", "site_networks": NETWORKS}
    assert "neutron-api" in [one["name"] for one in plan("controller-1", early, **given)]
    early = "__openstack_service_whole_plan | dict2items | rejectattr('key', 'eq', 'files') | items2dict"
    planned = plan("controller-1", early, services=["keystone"], **given)
    assert [unit["name"] for unit in planned["units"]] == ["keystone.service"]


def switch(task: str, host: str = "controller-1", *, kernel: bool = True, **given: Any) -> dict[str, Any]:
    """Return what a task of the role openvswitch gives to its module, and whether it does it at all."""
    role = COLLECTION / "roles/openvswitch"
    tasks: Any = load(role / "tasks/main.yml")
    (found,) = [one for one in tasks if one["name"] == task]
    (module,) = [name for name in found if name.startswith("accentos.cloud.")]
    addresses = {"controller-1": "10.0.0.21", "compute-1": "10.0.0.31"}
    variables: dict[str, Any] = {
        **as_templates(load(role / "defaults/main.yml")),
        **as_templates(load(role / "vars/main.yml")),
        **as_templates(found.get("vars", {})),
        "inventory_hostname": host,
        "groups": GROUPS,
        "host_addresses": {"management": addresses[host]},
        "hostvars": {name: {"host_addresses": {"management": address}} for name, address in addresses.items()},
        "host_interfaces": [
            {**OUTSIDE[0], "name": "eth1", "network": "tunnel"},
            *(OUTSIDE if host != "compute-1" else ()),
        ],
        "ansible_search_path": [str(role)],
        "__openvswitch_written": {"digests": {}},
        "openvswitch_result": {"host_capabilities": {"kernel": {"openvswitch": kernel}}},
        "site_domain": "example.test",
        "site_networks": NETWORKS,
        **given,
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    done = templar.template(as_templates(found[module]))
    return {**done, "done": templar.template(trust_as_template("{{ " + str(found.get("when", True)) + " }}"))}


def test_the_switch_of_a_site_that_says_nothing_is_one_of_ovn_as_ever() -> None:
    assert switch("Install Open vSwitch and OVN")["name"] == ["openvswitch-switch", "ovn-host"]
    assert (
        switch("Let the host take part in OVN with its configuration", item={"name": "a", "inputs": []})["done"] is True
    )
    common = {
        "ovn-bridge": "br-int",
        "ovn-encap-type": "geneve",
        "ovn-remote": "ssl:10.0.0.21:6642",
        "ovn-remote-probe-interval": "60000",
    }
    gateway = switch("Set bridges and overlay", kernel=False)
    assert gateway["external_ids"] == {
        **common,
        "hostname": "controller-1",
        "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": "external:br-ex",
        "ovn-cms-options": "enable-chassis-as-gw",
        "ovn-encap-ip": "10.0.1.21",
        "system-id": "10e8e5b7-8c6b-5b2e-9c37-58eef082830b",
    }
    assert [bridge["name"] for bridge in gateway["bridges"]] == ["br-int", "br-ex", "br-phy"]
    compute = switch("Set bridges and overlay", "compute-1", host_interfaces=OUTSIDE)
    assert (compute["external_ids"]["ovn-bridge-mappings"], compute["external_ids"]["ovn-cms-options"]) == (None, None)
    # A device to the external network makes no gateway.
    assert [bridge["name"] for bridge in compute["bridges"]] == ["br-int"]


def test_the_switch_of_the_other_driver_is_prepared_for_agents() -> None:
    given: dict[str, Any] = {"site_network_driver": "openvswitch"}
    assert switch("Install Open vSwitch and OVN", **given)["name"] == ["openvswitch-switch"]
    written = [
        one["path"] for one in switch("Write what Open vSwitch and OVN find at their first start", **given)["files"]
    ]
    assert [path for path in written if "ovn" in path] == []
    assert "/etc/openvswitch/system-id.conf" in written
    part = switch("Let the host take part in OVN with its configuration", item={"name": "a", "inputs": []}, **given)
    assert part["done"] is False
    controller = switch("Set bridges and overlay", kernel=False, **given)
    assert sorted(controller["external_ids"]) == ["hostname", "system-id"]
    assert [(one["name"], one["datapath_type"]) for one in controller["bridges"]] == [
        ("br-int", "netdev"),
        ("br-ex", "netdev"),
        ("br-phy", "netdev"),
    ]
    inside = switch("Set bridges and overlay", "compute-1", **given)
    outside = switch("Set bridges and overlay", "compute-1", host_interfaces=OUTSIDE, **given)
    assert [one["name"] for one in inside["bridges"]] == ["br-int"]
    assert [one["name"] for one in outside["bridges"]] == ["br-int", "br-ex"]
