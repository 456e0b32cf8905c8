# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which addresses an installation gives away."""

from __future__ import annotations

from typing import Any

from ansible_collections.accentos.cloud.plugins.filter.address_claims import FilterModule

address_claims = FilterModule().filters()["address_claims"]


def link(name: str, *addresses: str, **more: str) -> dict[str, Any]:
    return {"name": name, "addresses": list(addresses), **more}


def specification(number: int) -> dict[str, Any]:
    network = {
        "interfaces": [
            link("eno1", f"192.0.2.{number}/24", "2001:db8::1/64", mac=f"02:00:00:00:01:{number}"),
            link("eno2", mac=f"02:00:00:00:02:{number}"),
        ],
        "bonds": [link("bond0", f"198.51.100.{number}/25")],
        "vlans": [
            link("eno1.21", f"203.0.113.{number}/26", link="eno1"),
            link("bond0.22", f"203.0.113.{number + 64}/26", link="bond0"),
        ],
    }
    return {"network": network}


OWN = ["02:00:00:00:01:12", "02:00:00:00:02:12"]
OWNERS = {f"02:00:00:00:0{port}:{last}": host for port in (1, 2) for last, host in ((11, "a"), (12, "b"))}


def claims_of(action: str, known: dict[str, Any], reinstall: list[str]) -> dict[str, Any]:
    steps = [{"host": "b", "action": action, "reason": "so"}]
    found: dict[str, Any] = address_claims({"a": specification(11), "b": specification(12)}, steps, known, reinstall)
    return found


def claimed(action: str, known: dict[str, Any], reinstall: list[str]) -> list[str]:
    found = claims_of(action, known, reinstall)
    assert found["owners"] == OWNERS
    assert found["restarted"] == (OWN if action == "arm" else [])
    for row in found["claims"]:
        assert (row["host"], row["macs"]) == ("b", OWN)
    return [row["address"] for row in found["claims"]]


def test_a_machine_that_is_installed_is_given_all_its_addresses() -> None:
    everywhere = ["192.0.2.12/24", "198.51.100.12/25", "203.0.113.12/26", "203.0.113.76/26"]
    assert claimed("arm", {}, []) == everywhere
    assert claimed("arm", {"b": {"state": "failed"}}, []) == everywhere


def test_a_host_that_stays_is_given_none() -> None:
    assert claimed("nothing", {"b": {"state": "deployed"}}, []) == []


def test_a_machine_that_is_installed_anew_may_get_other_addresses_than_it_has() -> None:
    everywhere = ["192.0.2.12/24", "198.51.100.12/25", "203.0.113.12/26", "203.0.113.76/26"]
    assert claimed("arm", {"b": {"state": "deployed"}}, ["b"]) == everywhere
    # Of one that somebody else installed nobody knows which MAC its bonds took.
    assert claimed("arm", {}, ["b"]) == ["192.0.2.12/24", "203.0.113.12/26"]


def test_a_machine_answers_with_every_card_that_it_reported() -> None:
    cards = [{"mac": OWN[0]}, {"mac": "02:00:00:00:03:12"}, {"mac": ""}, {"mac": "02:00:00:00:02:11"}]
    found = claims_of("arm", {"b": {"state": "failed", "inventory": {"cards": cards}}}, [])
    assert found["claims"][0]["macs"] == found["restarted"] == [*OWN, "02:00:00:00:03:12", "02:00:00:00:02:11"]
    # The last one is described as a card of the other host.
    assert found["owners"] == {**OWNERS, "02:00:00:00:03:12": "b"}
    assert claims_of("arm", {"b": {"state": "failed", "inventory": None}}, [])["owners"] == OWNERS


def test_a_host_that_is_not_known_and_answers_must_be_the_host() -> None:
    assert claimed("nothing", {}, []) == ["192.0.2.12/24", "203.0.113.12/26"]
