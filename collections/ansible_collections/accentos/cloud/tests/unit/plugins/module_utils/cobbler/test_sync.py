# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tells that boot files are out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.cobbler.sync import digest_state, marker_path
from ansible_collections.accentos.cloud.plugins.module_utils.remembered import digest_files


def test_what_counts(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(b"1")
    folder = tmp_path / "templates"
    folder.mkdir()

    def digest(settings: dict[str, Any] | None = None, inputs: tuple[Path, ...] = (folder,), **fields: Any) -> str:
        distro = {"name": "d", "kernel": str(kernel), "mtime": 1.0, **fields}
        return digest_state({"distro": {"d": distro}}, {"a": ["x"], **(settings or {})}, digest_files(inputs))

    first = digest()
    # Each is compared with what nothing was changed for.
    assert digest(mtime=2.0) == first
    assert digest(ks_meta={"a": 1}, kickstart="a.json") == first
    assert digest({"default_ownership": ["x", "y"]}) == first
    assert digest(comment="new") != first
    assert digest({"a": ["y"]}) != first
    assert digest({"server": "x"}) != first
    (folder / "grub.template").write_text("x", encoding="utf-8")
    with_template = digest()
    assert with_template != first
    assert digest(inputs=()) == first
    (folder / "grub.template").write_text("y", encoding="utf-8")
    assert digest() != with_template
    before = digest()
    kernel.write_bytes(b"22")
    changed = digest()
    assert changed != before
    kernel.unlink()
    assert digest() not in (changed, before)
    assert digest(inputs=(tmp_path / "gone",)) != digest(inputs=())


def test_fields_of_systems_that_another_program_changes_do_not_count() -> None:
    def digest(what: str, **fields: Any) -> str:
        return digest_state({what: {"a": {"name": "a", **fields}}}, {}, {}, ["netboot_enabled"])

    assert digest("system", netboot_enabled=True) == digest("system", netboot_enabled=False)
    assert digest("system", comment="new") != digest("system")
    assert digest("profile", netboot_enabled=True) != digest("profile", netboot_enabled=False)


def test_each_cobblerd_has_its_own_marker() -> None:
    assert marker_path("http://127.0.0.1:1") != marker_path("http://127.0.0.1:2")
