# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control node signs what hosts ask for, by Ansible itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.accentos.cloud.plugins.module_utils.certificates import (
    dump_key,
    load_certificates,
    make_key,
    make_request,
    parse_name,
)
from ansible_collections.accentos.cloud.tests.unit.plugins.action.adhoc import adhoc
from ansible_collections.accentos.cloud.tests.unit.plugins.module_utils.test_certificates import CA, CA_KEY, KEY, pem


def sign(folder: Path, *options: str, **given: Any) -> dict[str, Any]:
    """Return what the task says of two requests."""
    names = [parse_name("DNS:a.example.test")]
    requests = [
        {"name": name, "path": f"/etc/{name}.crt", "csr": make_request(make_key(), name, names)} for name in ("a", "b")
    ]
    certificates = [
        {"name": "a", "subject_alternative_names": ["DNS:a.example.test"], "owner": "root"},
        {"name": "b", "subject_alternative_names": ["DNS:a.example.test"], "common_name": "b"},
    ]
    arguments = {
        "requests": requests,
        "authority": pem(CA).decode(),
        "key": dump_key(CA_KEY).decode(),
        "valid_days": 9,
        "common_name": "a",
        "certificates": certificates,
    }
    return adhoc(folder, "certificate_signatures", "-a", json.dumps(arguments | given), *options)


def test_all_requests_are_signed(tmp_path: Path) -> None:
    result = sign(tmp_path)
    assert result["changed"]
    assert [one["path"] for one in result["files"]] == ["/etc/a.crt", "/etc/b.crt"]
    for one in result["files"]:
        made, authority = load_certificates(one["content"].encode())
        made.verify_directly_issued_by(CA)
        assert authority == CA


def test_nothing_is_signed_where_nothing_is_asked_for(tmp_path: Path) -> None:
    result = sign(tmp_path, requests=[])
    assert (result["changed"], result["files"]) == (False, [])


def test_check_mode_says_that_it_would_sign(tmp_path: Path) -> None:
    result = sign(tmp_path, "--check")
    assert result["changed"]
    assert [load_certificates(one["content"].encode()) for one in result["files"]] == [[CA], [CA]]
    # Another would be signed each time, so a plan says that alone.
    assert {one["content"].splitlines()[0] for one in result["files"]} == {"(made by the run)"}


def test_a_failure_names_the_certificate_and_keeps_the_key(tmp_path: Path) -> None:
    key = dump_key(KEY).decode()
    result = sign(tmp_path, key=key)
    assert "does not sign the certificate" in result["msg"]
    assert "remedy" in result
    assert key.splitlines()[1] not in json.dumps(result)


def test_a_host_that_asks_for_what_it_has_not_gets_nothing(tmp_path: Path) -> None:
    names = [parse_name("DNS:a.example.test")]
    unknown = {"name": "c", "path": "/etc/c.crt", "csr": make_request(make_key(), "a", names)}
    result = sign(tmp_path, requests=[unknown])
    assert "certificate c: the site has no such certificate" in result["msg"]
    other = {"name": "a", "path": "/etc/a.crt", "csr": make_request(make_key(), "b", names)}
    result = sign(tmp_path, requests=[other])
    assert "certificate a: it asks for 'CN=b" in result["msg"]
    assert "not to be trusted" in result["remedy"]
    assert "files" not in result
