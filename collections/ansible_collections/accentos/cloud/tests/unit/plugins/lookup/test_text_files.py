# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup, on folders of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar


def look_up(folder: Path, **options: Any) -> dict[str, str]:
    """Run the lookup for one folder."""
    loader = DataLoader()
    lookup = lookup_loader.get("accentos.cloud.text_files", loader=loader, templar=Templar(loader=loader, variables={}))
    found: list[dict[str, str]] = lookup.run([str(folder)], variables={}, **options)
    assert len(found) == 1
    return found[0]


def test_texts_below_the_folder(tmp_path: Path) -> None:
    for name in ("b.py", "sub/a.py", "__pycache__/b.pyc", "sub/.hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}\n", encoding="utf-8")
    assert look_up(tmp_path) == {"b.py": "text of b.py\n", "sub/a.py": "text of sub/a.py\n"}
    assert list(look_up(tmp_path, prefix="python/")) == ["python/b.py", "python/sub/a.py"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"There is no folder .*/absent\. Mend the path"):
        look_up(tmp_path / "absent")


def test_no_text(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnsibleError, match="image is not read as text"):
        look_up(tmp_path)
