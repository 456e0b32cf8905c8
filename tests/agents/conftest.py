# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of both agents share."""

from __future__ import annotations

import pytest

from .tls import Pki, make_pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """An authority and a certificate for 127.0.0.1."""
    return make_pki(tmp_path_factory.mktemp("pki"))
