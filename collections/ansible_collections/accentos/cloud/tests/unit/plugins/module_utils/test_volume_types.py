# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left to do for types of volumes, on literals."""

from __future__ import annotations

from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.volume_types import plan_types


def wanted(description: str = "", **specs: str) -> list[dict[str, Any]]:
    return [{"name": "files", "description": description, "extra_specs": specs}]


def there(**more: Any) -> list[dict[str, Any]]:
    return [
        {"id": "1", "name": "__DEFAULT__", "description": "Default Volume Type", "extra_specs": {}},
        {"id": "2", "name": "files", "description": None, "extra_specs": {"volume_backend_name": "files"}} | more,
    ]


def test_a_type_is_made_with_what_it_means() -> None:
    (step,) = plan_types(wanted("Slow", volume_backend_name="files"), there()[:1])
    assert (step.verb, step.method, step.path, step.before) == ("create", "POST", "/types", "")
    assert step.body["volume_type"] == {
        "name": "files",
        "description": "Slow",
        "extra_specs": {"volume_backend_name": "files"},
        "os-volume-type-access:is_public": True,
    }
    assert step.after == "volume type files: description = Slow\nvolume type files: volume_backend_name = files\n"


def test_a_type_that_is_right_is_left_alone() -> None:
    assert list(plan_types(wanted(volume_backend_name="files"), there())) == []
    # What somebody added to it stays, and so does a description that nobody asked to change.
    more = {"volume_backend_name": "files", "multiattach": "<is> True"}
    assert list(plan_types(wanted(volume_backend_name="files"), there(extra_specs=more, description="Mine"))) == []


def test_only_what_differs_is_changed() -> None:
    specs, text = plan_types(wanted("Slow", volume_backend_name="new", multiattach="<is> True"), there())
    assert (specs.verb, specs.path) == ("change", "/types/2/extra_specs")
    assert specs.body == {"extra_specs": {"volume_backend_name": "new", "multiattach": "<is> True"}}
    assert specs.before == "volume type files: volume_backend_name = files\n"
    assert (text.method, text.path, text.body) == ("PUT", "/types/2", {"volume_type": {"description": "Slow"}})
