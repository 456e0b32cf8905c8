# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A token of one controller is valid on the others: they have the same keys."""

from __future__ import annotations

import pytest

from .cluster import CONTROLLERS, Cluster

testinfra_hosts = ["ssh://controller-1"]


@pytest.mark.parametrize("folder", ["fernet-keys", "credential-keys"])
def test_all_have_the_same_keys_and_only_the_service_reads_them(cluster: Cluster, folder: str) -> None:
    shown = [
        cluster(name, f"cd /etc/keystone/{folder} && sha256sum * && stat --format '%n %a %U' *") for name in CONTROLLERS
    ]
    assert len(set(shown)) == 1
    assert "0 600 keystone\n1 600 keystone" in shown[0]
