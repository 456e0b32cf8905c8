# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module in this process, before a volume service in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import CloudError
from ansible_collections.accentos.cloud.plugins.modules import volume_types


class VolumeService:
    """Types by name, as the class Cloud shows a volume service. ``gone`` is why it does not answer."""

    def __init__(self) -> None:
        self.types: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.gone = ""

    def __call__(self, _auth: Any, *, ca_file: str | None, timeout: int) -> VolumeService:
        """Stand for the class."""
        assert (ca_file, timeout > 0) == ("/ca.crt", True)
        return self

    def get(self, service: str, path: str, **query: Any) -> Any:
        """Tell all types, as an administrator asks for them."""
        assert (service, path, query) == ("volume", "/types", {"is_public": "None"})
        if self.gone:
            raise CloudError(self.gone)
        return {"volume_types": list(self.types.values())}

    def ask(self, service: str, method: str, path: str, body: Any) -> Any:
        """Do what is asked for."""
        assert service == "volume"
        self.asked.append(f"{method} {path}")
        if path == "/types":
            made = body["volume_type"]
            if made["name"] == "refused":
                raise CloudError("the volume service refuses POST /types: 400")
            self.types[made["name"]] = {"id": f"id-{made['name']}", **made}
            return
        (one,) = [one for one in self.types.values() if path.startswith(f"/types/{one['id']}")]
        if path.endswith("/extra_specs"):
            one["extra_specs"].update(body["extra_specs"])
        else:
            one.update(body["volume_type"])


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> VolumeService:
    made = VolumeService()
    monkeypatch.setattr(volume_types, "Cloud", made)
    return made


def run(capsys: pytest.CaptureFixture[str], types: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    auth = {"url": "https://api.example.test:5000/v3", "password": "word"}
    arguments = {"auth": auth, "ca_file": "/ca.crt", "types": types, **options}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        volume_types.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


FILES: dict[str, Any] = {"name": "files", "extra_specs": {"volume_backend_name": "files", "replicas": 2}}


def test_types_are_made_changed_and_then_left_alone(service: VolumeService, capsys: pytest.CaptureFixture[str]) -> None:
    planned = run(capsys, [FILES], _ansible_check_mode=True)
    assert (planned["changed"], service.types) == (True, {})
    done = run(capsys, [FILES])
    assert done["steps"] == planned["steps"] == [{"verb": "create", "kind": "volume type", "name": "files"}]
    assert done["diff"] == planned["diff"]
    assert service.types["files"]["extra_specs"] == {"volume_backend_name": "files", "replicas": "2"}
    assert not run(capsys, [FILES])["changed"]
    other = {**FILES, "description": "Slow", "extra_specs": {"volume_backend_name": "other"}}
    assert [step["verb"] for step in run(capsys, [other])["steps"]] == ["change", "describe"]
    assert not run(capsys, [other])["changed"]
    assert service.asked == ["POST /types", "POST /types/id-files/extra_specs", "PUT /types/id-files"]


def test_a_service_that_does_not_answer(service: VolumeService, capsys: pytest.CaptureFixture[str]) -> None:
    service.gone = "the volume service does not answer"
    failed = run(capsys, [FILES])
    assert "cannot be as wanted: the volume service does not answer." in failed["msg"]
    assert "cinder-api" in failed["remedy"]
    # In check mode an earlier task would have started it.
    assert run(capsys, [FILES], _ansible_check_mode=True)["changed"]
    service.gone = ""
    assert "refuses POST /types" in run(capsys, [{"name": "refused"}])["msg"]
