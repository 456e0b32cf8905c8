# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module, run in this process against a server that speaks TLS."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.accentos.cloud.plugins.modules import openstack_health

from .tls_server import TlsHandler, TlsServer, serving


class Server(TlsServer):
    """Answers with what ``answers`` holds for a path; the last answer stays."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Handler)
        self.answers: dict[str, list[int]] = {}


class Handler(TlsHandler):
    server: Server

    def handle_one(self, _method: str) -> None:
        answers = self.server.answers[self.path]
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/nowhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    with serving(made):
        yield made


@pytest.fixture(autouse=True)
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = f"""case $3 in
given-up.service) printf 'ActiveState=failed\\nNRestarts=4\\n' ;;
again.service) echo >> {tmp_path}/ends
    printf 'ActiveState=activating\\nNRestarts=%d\\n' $((8 + $(wc -l < {tmp_path}/ends))) ;;
once-more.service) test -e {tmp_path}/asked && last=10 || last=9; touch {tmp_path}/asked
    printf 'ActiveState=active\\nNRestarts=%d\\n' $last ;;
yesterday.service) printf 'ActiveState=active\\nNRestarts=10\\n' ;;
*) printf 'ActiveState=active\\nNRestarts=9\\n' ;;
esac"""
    programs = {"journalctl": 'echo "journal of $2"', "systemctl": states}
    (tmp_path / "bin").mkdir()
    for name, line in programs.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")


def run(capsys: pytest.CaptureFixture[str], checks: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    args = {"checks": checks, "timeout": 20, **options}
    with patch_module_args(args), pytest.raises(SystemExit):
        openstack_health.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_services_that_answer_in_the_end(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers = {
        "/slow": [503, 503, 200],
        "/multiple": [300],
        "/moved": [302],
        "/yesterday": [503, 503, 200],
        "/once": [503, 503, 503, 200],
    }
    checks: list[dict[str, Any]] = [
        {"unit": "slow.service", "url": server.url("/slow")},
        {"unit": "multiple.service", "url": server.url("/multiple"), "status": [200, 300]},
        {"unit": "moved.service", "url": server.url("/moved"), "status": [302]},
        # It ended often before, and does not any more.
        {"unit": "yesterday.service", "url": server.url("/yesterday")},
        # It ended often before, and once more.
        {"unit": "once-more.service", "url": server.url("/once")},
    ]
    result = run(capsys, checks, ca_file=str(server.certificate))
    assert (result["changed"], sorted(result["seconds"])) == (False, sorted(check["url"] for check in checks))
    assert result["seconds"][server.url("/slow")] >= 1


def test_one_that_does_not_answer_shows_its_journal(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers = {"/good": [200], "/bad": [500]}
    url = server.url("/bad")
    checks = [{"unit": "bad.service", "url": url}, {"unit": "good.service", "url": server.url("/good")}]
    refused = run(capsys, checks, ca_file=str(server.certificate), timeout=0)
    assert refused["msg"] == (
        f"bad.service does not work, {url}: it answers with status 500\n"
        "The end of the journal of bad.service:\njournal of bad.service"
    )
    planned = run(capsys, checks, ca_file=str(server.certificate), _ansible_check_mode=True)
    assert (planned["changed"], list(planned["seconds"])) == (False, [server.url("/good")])


def test_a_certificate_that_nobody_trusts_is_no_answer(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers = {"/": [200]}
    refused = run(capsys, [{"unit": "a.service", "url": server.url("/")}], timeout=0)
    assert "CERTIFICATE_VERIFY_FAILED" in refused["msg"]


def test_authorities_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    refused = run(capsys, [], ca_file="/no/such/file")
    assert refused["msg"].startswith("The authorities in /no/such/file cannot be read")


@pytest.mark.parametrize("unit", ["given-up.service", "again.service"])
def test_a_unit_that_does_not_live_long_enough_is_not_waited_for(
    server: Server, capsys: pytest.CaptureFixture[str], unit: str
) -> None:
    server.answers = {"/bad": [503]}
    start = time.monotonic()
    result = run(capsys, [{"unit": unit, "url": server.url("/bad")}], ca_file=str(server.certificate))
    assert f"{unit} does not work" in result["msg"]
    assert time.monotonic() - start < 10
