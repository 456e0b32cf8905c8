# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image of a profile has what a deployment installs on its hosts: no more, no less, and from the same data.

The playbooks are read as Ansible would run them on one host, and what their tasks install is collected.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from tests.quality.tree import COLLECTION, ROOT, load

PLAYBOOKS = ("prepare.yml", "deploy.yml")
PACKAGES, APT = "accentos.cloud.packages", "ansible.builtin.apt"
ADDRESSES = {"deploy-1": "10.0.0.10", "controller-1": "10.0.0.21", "compute-1": "10.0.0.31", "storage-1": "10.0.0.41"}

# Where Debian's generic kernel 6.12 has the drivers of disks and network cards of servers, for amd64, arm64 or both.
DRIVERS = """
drivers/ata/ahci drivers/ata/ahci_xgene drivers/block/virtio_blk drivers/char/ipmi/ipmi_si drivers/md/dm-mod
drivers/md/raid1 drivers/message/fusion/mptsas drivers/mmc/host/sdhci-acpi drivers/nvme/host/nvme
drivers/pci/controller/vmd drivers/scsi/aacraid/aacraid drivers/scsi/arcmsr/arcmsr drivers/scsi/bfa/bfa
drivers/scsi/hisi_sas/hisi_sas_v3_hw drivers/scsi/hpsa drivers/scsi/hv_storvsc drivers/scsi/isci/isci
drivers/scsi/lpfc/lpfc drivers/scsi/megaraid/megaraid_sas drivers/scsi/mpt3sas/mpt3sas drivers/scsi/mvsas/mvsas
drivers/scsi/pm8001/pm80xx drivers/scsi/qla2xxx/qla2xxx drivers/scsi/sd_mod drivers/scsi/smartpqi/smartpqi
drivers/scsi/virtio_scsi drivers/scsi/vmw_pvscsi drivers/ufs/host/ufshcd-pci drivers/usb/host/xhci-pci
drivers/usb/storage/uas drivers/net/ethernet/amazon/ena/ena drivers/net/ethernet/amd/xgbe/amd-xgbe
drivers/net/ethernet/apm/xgene/xgene-enet drivers/net/ethernet/aquantia/atlantic/atlantic
drivers/net/ethernet/broadcom/bnx2x/bnx2x drivers/net/ethernet/broadcom/bnxt/bnxt_en drivers/net/ethernet/broadcom/tg3
drivers/net/ethernet/cavium/thunder/nicvf drivers/net/ethernet/chelsio/cxgb4/cxgb4
drivers/net/ethernet/cisco/enic/enic drivers/net/ethernet/emulex/benet/be2net drivers/net/ethernet/hisilicon/hns3/hns3
drivers/net/ethernet/intel/e1000e/e1000e drivers/net/ethernet/intel/i40e/i40e drivers/net/ethernet/intel/ice/ice
drivers/net/ethernet/intel/igb/igb drivers/net/ethernet/intel/igc/igc drivers/net/ethernet/intel/ixgbe/ixgbe
drivers/net/ethernet/marvell/mvpp2/mvpp2 drivers/net/ethernet/mellanox/mlx4/mlx4_en
drivers/net/ethernet/mellanox/mlx5/core/mlx5_core drivers/net/ethernet/pensando/ionic/ionic
drivers/net/ethernet/qlogic/qede/qede drivers/net/ethernet/realtek/r8169 drivers/net/ethernet/sfc/sfc
drivers/net/hyperv/hv_netvsc drivers/net/virtio_net drivers/net/vmxnet3/vmxnet3
"""


class Site:
    """A site with a host for each group but those that are ``bare``, and what Ansible knows of its hosts."""

    def __init__(self, folder: Path, bare: Collection[str] = (), **of_groups: Mapping[str, object]) -> None:
        inventory = {
            host.removesuffix("-1"): {
                "hosts": {host: {"host_addresses": {"management": address}}},
                "vars": dict(of_groups.get(host.removesuffix("-1"), {})),
            }
            for host, address in ADDRESSES.items()
            if host not in bare
        }
        site = {
            "site_name": "example",
            "site_domain": "example.test",
            "site_admins": [],
            "site_networks": {"management": {"cidr": "10.0.0.0/24"}},
            **of_groups.get("all", {}),
        }
        path = folder / "hosts.yml"
        path.write_text(yaml.safe_dump({"all": {"children": inventory, "vars": site}}), encoding="utf-8")
        self.loader = DataLoader()
        self.inventory = InventoryManager(loader=self.loader, sources=[str(path)])
        self._manager = VariableManager(loader=self.loader, inventory=self.inventory)
        self._hostvars = HostVars(self.inventory, self._manager, self.loader)

    def variables(self, host: str) -> dict[str, Any]:
        """Return the variables of a host in a run without tags."""
        known = self._manager.get_vars(host=self.inventory.get_host(host))
        return {**known, "hostvars": self._hostvars, "ansible_run_tags": ["all"], "ansible_skip_tags": []}

    def read(self, path: Path) -> Any:
        """Return the content of a YAML file, with its templates."""
        return self.loader.load_from_file(str(path), trusted_as_template=True)

    def template(self, value: Any, variables: Mapping[str, Any]) -> Any:
        """Return a value without templates."""
        return Templar(loader=self.loader, variables=dict(variables)).template(value)

    def image(self, *groups: str) -> set[str]:
        """Return the packages of an image for hosts of groups, as the role host_image gathers them."""
        roles = load(COLLECTION / "roles/host_image/vars/main.yml")["__host_image_roles"]  # type: ignore[index]
        variables = self.variables("deploy-1")
        templar = Templar(loader=self.loader, variables=variables)
        lookup = lookup_loader.get("accentos.cloud.image_packages", loader=self.loader, templar=templar)
        (packages,) = lookup.run([list(groups)], variables=variables, roles=roles)
        return set(packages)

    def installed(self, host: str) -> dict[str, set[str]]:
        """Return what the playbooks install on a host, by the module that does."""
        found: dict[str, set[str]] = {}
        for name in PLAYBOOKS:
            for play in self.read(ROOT / "playbooks" / name):
                if "hosts" not in play:
                    continue
                variables = self.variables(host)
                variables |= play.get("vars", {})
                if host in {one.name for one in self.inventory.get_hosts(self.template(play["hosts"], variables))}:
                    roles = [{"ansible.builtin.import_role": {"name": role["role"]}} for role in play.get("roles", [])]
                    for module, packages in self._tasks([*roles, *play.get("tasks", [])], variables, ROOT):
                        found.setdefault(module, set()).update(packages)
        return found

    def _tasks(
        self, tasks: Sequence[Mapping[str, Any]], variables: Mapping[str, Any], folder: Path
    ) -> Iterator[tuple[str, list[str]]]:
        for task in tasks:
            known = {**variables, **task.get("vars", {})}
            if not self._wanted(task, known):
                continue
            for part in ("block", "rescue", "always"):
                yield from self._tasks(task.get(part, []), known, folder)
            for kind in ("import", "include"):
                if file := task.get(f"ansible.builtin.{kind}_tasks"):
                    yield from self._tasks(self.read(folder / file), known, folder)
                if role := task.get(f"ansible.builtin.{kind}_role"):
                    yield from self._role(role, known, task.get("vars", {}))
            for module in (PACKAGES, APT):
                if module in task:
                    names = self.template(task[module]["name"], known)
                    yield module, [names] if isinstance(names, str) else list(names)

    def _role(
        self, role: Mapping[str, Any], variables: Mapping[str, Any], own: Mapping[str, Any]
    ) -> Iterator[tuple[str, list[str]]]:
        folder = COLLECTION / "roles" / role["name"].removeprefix("accentos.cloud.")
        defaults, fixed = self._folder(folder / "defaults"), self._folder(folder / "vars")
        tasks = folder / "tasks" / f"{role.get('tasks_from', 'main').removesuffix('.yml')}.yml"
        yield from self._tasks(self.read(tasks), {**defaults, **variables, **fixed, **own}, tasks.parent)

    def _folder(self, folder: Path) -> dict[str, Any]:
        variables: dict[str, Any] = {}
        for path in (folder / "main.yml", *sorted((folder / "main").glob("*.yml"))):
            if path.is_file():
                variables |= self.read(path)
        return variables

    def _wanted(self, task: Mapping[str, Any], variables: Mapping[str, Any]) -> bool:
        conditions = task.get("when", [])
        for condition in conditions if isinstance(conditions, list) else [conditions]:
            try:
                if not self.template(trust_as_template(f"{{{{ ({condition}) | bool }}}}"), variables):
                    return False
            except AnsibleError:
                # It depends on what a task found, so that it may be true.
                continue
        return True


@pytest.mark.parametrize("group", ["compute", "storage"])
def test_an_image_has_what_a_deployment_installs(tmp_path: Path, group: str) -> None:
    site = Site(tmp_path)
    installed = site.installed(f"{group}-1")
    assert site.image(group) == set().union(*installed.values())
    # The one who installs lets baked units start, too; what everybody has starts at once.
    assert site.image(group) - site.image() <= installed[PACKAGES]
    assert installed[PACKAGES] - site.image()


def test_what_a_site_says_of_a_group_holds_for_its_image(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        all={"base_packages_extra": ["tcpdump"]},
        compute={"libvirt_packages": ["libvirt-daemon-system", "ovmf"], "openstack_service_compute_packages": ["own"]},
    )
    compute, storage = site.image("compute"), site.image("storage")
    assert compute == set().union(*site.installed("compute-1").values())
    assert {"libvirt-daemon-system", "ovmf", "own", "tcpdump"} <= compute
    assert not {"libvirt-clients", "nova-compute"} & compute
    assert "tcpdump" in storage & site.image()
    assert site.image("compute", "storage") == compute | storage


def test_without_storage_computes_have_nothing_of_ceph(tmp_path: Path) -> None:
    assert "ceph-common" in Site(tmp_path).image("compute")
    site = Site(tmp_path, all={"openstack_service_ceph": False})
    assert "ceph-common" not in site.image("compute")
    assert site.image("compute") == set().union(*site.installed("compute-1").values())


def test_a_group_without_hosts_has_what_the_site_says(tmp_path: Path) -> None:
    assert Site(tmp_path, bare=["compute-1"]).image("compute") == Site(tmp_path).image("compute")


def test_the_ramdisk_has_the_drivers_of_servers() -> None:
    patterns = load(COLLECTION / "roles/host_image/defaults/main.yml")["host_image_ramdisk_modules"]  # type: ignore[index]
    # As find's -path does it: a star stands for slashes, too.
    missing = [
        driver
        for driver in DRIVERS.split()
        if not any(fnmatch.fnmatchcase(f"{driver}.ko.xz", pattern) for pattern in patterns)
    ]
    assert missing == []
    assert not any(fnmatch.fnmatchcase("drivers/gpu/drm/i915/i915.ko.xz", pattern) for pattern in patterns)
