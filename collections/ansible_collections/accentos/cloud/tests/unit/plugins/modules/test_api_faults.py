# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services that are slow, busy or dead: openstacksdk before a proxy that loses, delays and refuses requests."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.api_patience import Patience
from ansible_collections.accentos.cloud.plugins.module_utils.cloud_api import (
    Cloud,
    CloudError,
    NoSuchThingError,
    ServiceBrokenError,
)
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_catalogue import CatalogueError, Step
from ansible_collections.accentos.cloud.plugins.module_utils.openstack_identity import Identity

from .fault_proxy import Fault, FaultProxy, half_an_answer, hang_up, proxied, silence, status
from .identity_service import ADMIN, IdentityService
from .tls_server import serving
from .whole_cloud import WholeCloud

QUICK = Patience(connect=0.3, answer=0.3, total=0.9, attempts=4, first_pause=0.05, longest_pause=0.2, rate=20)


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Patience, "of", lambda _timeout: QUICK)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[WholeCloud]:
    made = WholeCloud(tmp_path)
    with serving(made):
        yield made


@pytest.fixture
def proxy(backend: WholeCloud) -> Iterator[FaultProxy]:
    with proxied(backend) as made:
        yield made


def log_in(proxy: FaultProxy) -> Cloud:
    auth = {"url": proxy.url("/v3"), "username": "admin", "password": ADMIN, "project": "admin", "domain": "Default"}
    return Cloud(auth, ca_file=str(proxy.backend.certificate), timeout=20)


@pytest.fixture
def cloud(proxy: FaultProxy) -> Cloud:
    """Return a cloud that was asked already, so that nobody asks for its versions any more."""
    found = log_in(proxy)
    found.get("network", "/networks")
    proxy.asked.clear()
    return found


def fails(do: Callable[[], Any], kind: type[Exception] = ServiceBrokenError) -> tuple[str, float]:
    """Return what an error says, and after how many seconds."""
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        do()
    return str(caught.value.args), time.monotonic() - start


def create(cloud: Cloud, name: str = "n") -> Any:
    return cloud.ask("network", "POST", "/networks", {"network": {"name": name}})


@pytest.mark.parametrize(
    ("fault", "told", "least", "most"),
    [
        (status(429), "429 Too Many Requests (4 times)", 4, 4),
        (status(429, Retry_After="0"), "429 Too Many Requests (4 times)", 4, 4),
        (status(502), "502 Bad Gateway (4 times)", 4, 4),
        (status(503), "503 Service Unavailable (4 times)", 4, 4),
        (status(504), "504 Gateway Timeout (4 times)", 4, 4),
        (silence, "silence for 0.3 s", 2, 4),
        (hang_up, "a lost connection (Remote end closed connection without response) (4 times)", 4, 4),
        (half_an_answer, "a lost connection (IncompleteRead(8 bytes read, 8 more expected)) (4 times)", 4, 4),
    ],
    ids=["429", "429 at once", "502", "503", "504", "half open", "hung up", "half an answer"],
)
def test_a_question_is_repeated_for_a_while(
    proxy: FaultProxy, cloud: Cloud, fault: Fault, told: str, least: int, most: int
) -> None:
    proxy.break_down("GET", "/networks", fault)
    said, seconds = fails(lambda: cloud.get("network", "/networks", name="x"))
    asked = proxy.at("GET", "/networks")
    assert f"the network service does not answer: GET {proxy.url('/network/v2.0/networks')}: no answer to " in said
    assert told in said
    assert said.endswith("run this again.',)")
    assert least <= len(asked) <= most
    assert seconds < QUICK.total + 0.3
    # They grow further apart than any rate says.
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert min(gaps) >= QUICK.first_pause / 2


@pytest.mark.parametrize(
    "fault", [status(429), status(502), status(503), status(504), silence, hang_up, half_an_answer]
)
def test_trouble_that_ends_is_not_noticed(proxy: FaultProxy, cloud: Cloud, fault: Fault) -> None:
    proxy.break_down("GET", "/networks", fault, times=1)
    assert cloud.get("network", "/networks") == {"networks": []}
    assert len(proxy.at("GET", "/networks")) == 2


@pytest.mark.parametrize("fault", [status(502), status(504), silence, hang_up, half_an_answer])
def test_what_may_have_been_done_is_not_done_twice(
    backend: WholeCloud, proxy: FaultProxy, cloud: Cloud, fault: Fault
) -> None:
    proxy.break_down("POST", "/networks", fault)
    said, seconds = fails(lambda: create(cloud))
    assert "It may have been done and is not repeated" in said
    assert len(proxy.at("POST", "/networks")) == 1
    assert len(backend.left().get("networks", [])) <= 1
    assert seconds < QUICK.total


def test_an_error_that_was_there_before_is_not_told_as_the_cause(
    backend: WholeCloud, proxy: FaultProxy, cloud: Cloud
) -> None:
    proxy.break_down("POST", "/networks", hang_up)
    said = ""
    with proxied(backend, listening=False) as dead:
        try:
            log_in(dead)
        except CloudError:
            said, _seconds = fails(lambda: create(cloud))
    assert "a lost connection (Remote end closed connection without response)" in said
    assert len(proxy.at("POST", "/networks")) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_what_was_refused_for_now_is_asked_for_again(
    backend: WholeCloud, proxy: FaultProxy, cloud: Cloud, code: int
) -> None:
    proxy.break_down("POST", "/networks", status(code), times=2)
    create(cloud)
    assert len(proxy.at("POST", "/networks")) == 3
    assert backend.left()["networks"] == ["n"]


def test_a_broken_service_is_not_asked_again(proxy: FaultProxy, cloud: Cloud) -> None:
    proxy.break_down("GET", "/networks", status(500))
    said, _seconds = fails(lambda: cloud.get("network", "/networks"))
    assert "refuses GET /networks: 500" in said
    proxy.break_down("GET", "/agents", status(404))
    fails(lambda: cloud.get("network", "/agents"), NoSuchThingError)
    assert len(proxy.asked) == 2


def test_a_service_says_when_it_may_be_asked(proxy: FaultProxy, cloud: Cloud) -> None:
    # The time that is left is less than that.
    proxy.break_down("GET", "/networks", status(503, Retry_After="30"))
    said, seconds = fails(lambda: cloud.get("network", "/networks"))
    assert "wants to be left alone for 30 s" in said
    assert (len(proxy.asked), seconds < 0.3) == (1, True)
    # Nor is it asked by others.
    said, seconds = fails(lambda: create(cloud))
    assert "is not asked: it told other requests to leave it alone" in said
    assert (len(proxy.asked), seconds < 0.3) == (1, True)


def test_a_pause_that_a_service_wants_is_made(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = Patience(connect=0.3, answer=0.3, total=2, attempts=4, first_pause=0.05, longest_pause=0.2, rate=20)
    monkeypatch.setattr(Patience, "of", lambda _timeout: patient)
    cloud = log_in(proxy)
    proxy.break_down("GET", "/networks", status(429, Retry_After="1"), times=1)
    cloud.get("network", "/networks")
    first, second = proxy.at("GET", "/networks")
    assert 1.0 <= second - first < 1.5


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_handshake_that_hangs_ends(proxy: FaultProxy, cloud: Cloud, method: str) -> None:
    proxy.handshakes = False
    fresh = proxy.connections

    def ask() -> Any:
        return log_in(proxy) if method == "GET" else create(cloud)

    said, seconds = fails(ask, CloudError)
    assert "silence for 0." in said
    assert proxy.connections - fresh == (3 if method == "GET" else 1)
    assert seconds < QUICK.total + 0.3


def test_a_service_that_starts_is_waited_for(backend: WholeCloud) -> None:
    with proxied(backend, listening=False) as proxy:
        said, seconds = fails(lambda: log_in(proxy), CloudError)
        assert "admin cannot log in at " in said
        assert "no answer to 4 requests in " in said
        assert "no connection (Connection refused) (4 times). See whether a load balancer has that address" in said
        assert seconds < QUICK.total
        threading.Timer(0.15, proxy.server_activate).start()
        create(log_in(proxy))
        assert backend.left()["networks"] == ["n"]


def test_a_question_for_versions_is_no_way_around(
    backend: WholeCloud, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = [entry for entry in backend.catalogue() if entry["type"] == "image"]
    catalogue[0]["endpoints"][0]["url"] = proxy.url("/without")
    monkeypatch.setattr(backend, "catalogue", lambda: catalogue)
    cloud = log_in(proxy)
    proxy.break_down("GET", "/without", silence)
    said, seconds = fails(lambda: cloud.get("image", "/images"))
    assert f"the image service does not answer: GET {proxy.url('/without')}: no answer to " in said
    assert len(proxy.at("GET", "/without")) in (2, 3)
    assert seconds < QUICK.total + 0.3


def test_a_login_that_is_lost_is_repeated(proxy: FaultProxy) -> None:
    for fault in (hang_up, half_an_answer, status(503)):
        proxy.break_down("POST", "/auth/tokens", fault, times=1)
        log_in(proxy)
    assert len(proxy.at("POST", "/auth/tokens")) == 6


def test_many_askers_are_no_storm(proxy: FaultProxy, cloud: Cloud) -> None:
    proxy.break_down("GET", "/networks", status(503))
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(cloud.get, "network", "/networks") for _number in range(8)]:
            assert isinstance(one.exception(), ServiceBrokenError)
    asked = proxy.at("GET", "/networks")
    # The first ones do not know of each other.
    later = [at for at in asked if at > asked[7]]
    assert len(later) >= 8
    assert len(later) / (later[-1] - asked[7]) <= QUICK.rate * 1.1
    assert time.monotonic() - start < QUICK.total + 0.3


def test_who_was_given_up_is_asked_once_only_until_it_answers(proxy: FaultProxy, cloud: Cloud) -> None:
    proxy.break_down("GET", "/networks", status(503), times=6)
    counts = []
    for _number in range(3):
        fails(lambda: cloud.get("network", "/networks"))
        counts.append(len(proxy.asked))
    assert counts == [4, 5, 6]
    assert max(proxy.asked[5].at - proxy.asked[4].at, 0) >= 0.9 / QUICK.rate
    cloud.get("network", "/networks")
    proxy.break_down("GET", "/networks", status(503), times=3)
    cloud.get("network", "/networks")


def test_a_file_is_sent_once(backend: WholeCloud, proxy: FaultProxy, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"x" * 100000)
    image = cloud.ask("image", "POST", "/images", {"name": "i"})["id"]
    proxy.break_down("PUT", "/file", status(503))
    fails(lambda: cloud.put_file(f"/images/{image}/file", file))
    assert len(proxy.at("PUT", "/file")) == 1


def test_a_file_may_be_taken_slower_than_a_connection(
    backend: WholeCloud, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = Patience(connect=0.3, answer=10, total=20, attempts=4, first_pause=0.05, longest_pause=0.2, rate=20)
    monkeypatch.setattr(Patience, "of", lambda _timeout: patient)
    cloud = log_in(proxy)
    file = tmp_path / "image"
    # More than the kernel takes while nobody reads.
    file.write_bytes(bytes(32 << 20))
    image = cloud.ask("image", "POST", "/images", {"name": "i"})["id"]
    proxy.reading_after = 1.0
    cloud.put_file(f"/images/{image}/file", file)
    assert len(proxy.at("PUT", "/file")) == 1


def test_an_authority_that_is_not_trusted_is_final(proxy: FaultProxy) -> None:
    auth = {"url": proxy.url("/v3"), "username": "admin", "password": ADMIN, "project": "admin", "domain": "Default"}
    said, _seconds = fails(lambda: Cloud(auth, ca_file=None, timeout=20), CloudError)
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert (proxy.connections, proxy.asked) == (1, [])


def test_a_catalogue_gets_nothing_twice(tmp_path: Path) -> None:
    service = IdentityService(tmp_path)
    auth = {"username": "admin", "password": ADMIN, "project": "admin", "domain": "Default"}
    with serving(service), proxied(service) as proxy:
        identity = Identity({**auth, "url": proxy.url("/v3")}, ca_file=str(service.certificate), timeout=20)
        proxy.break_down("POST", "/services", silence)
        step = Step("create", "service", ("image", "glance"), {"description": ""}, {})
        said, _seconds = fails(lambda: identity.apply(step), CatalogueError)
        assert "does not let us create the service image / glance: POST " in said
        assert "It may have been done and is not repeated" in said
        assert len(service.objects["services"]) == 1
