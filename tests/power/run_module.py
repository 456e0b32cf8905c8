# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the module whose name is the argument with the options on the standard input."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from ansible.module_utils.testing import patch_module_args
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    _AnsibleCollectionFinder(paths=[str(ROOT / "collections")])._install()
    with patch_module_args(json.load(sys.stdin)):
        importlib.import_module(f"ansible_collections.accentos.cloud.plugins.modules.{sys.argv[1]}").main()
