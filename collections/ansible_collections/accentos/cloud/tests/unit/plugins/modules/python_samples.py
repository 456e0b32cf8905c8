# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real wheels of a tiny package, and runs of a module in this process."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args


def make_wheel(folder: Path, version: str = "1.0") -> tuple[Path, str]:
    """Write a wheel of the package ``accentos-tiny``; return its path and the lock that names it."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"accentos_tiny-{version}-py3-none-any.whl"
    info = f"accentos_tiny-{version}.dist-info"
    files = {
        "accentos_tiny.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: accentos-tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return wheel, f"accentos-tiny=={version} --hash=sha256:{digest}\n"


def run_module(module: ModuleType, capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run a module with its arguments and return what it says."""
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer
