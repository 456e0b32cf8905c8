# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is imported into a messaging server, on literals."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.accentos.cloud.plugins.module_utils.messaging_access import (
    ALGORITHM,
    AccessError,
    has_password,
    password_digest,
    plan,
)

SALT = b"salt"
VHOSTS = [{"name": "/", "queue_type": "quorum"}]


def user(name: str = "nova", word: str = "word", **changes: Any) -> dict[str, Any]:
    rights = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    return {"name": name, "password": word, "tags": [], "permissions": [rights], **changes}


def settled() -> dict[str, Any]:
    """Return the definitions of a server after the plan for VHOSTS and the user nova was carried out."""
    digest = password_digest("word", b"1234")
    return {
        "vhosts": [{"name": "/", "default_queue_type": "quorum"}, {"name": "other", "default_queue_type": "classic"}],
        "users": [{"name": "nova", "password_hash": digest, "hashing_algorithm": ALGORITHM, "tags": []}],
        "permissions": [{"user": "nova", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }


def test_a_digest_is_what_the_server_makes() -> None:
    # From the server's own documentation: "test12" with the salt 908dc60a.
    assert password_digest("test12", bytes.fromhex("908dc60a")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_an_empty_server_gets_everything_in_one_import() -> None:
    found = plan({}, VHOSTS, [user(tags=["monitoring"])], [], SALT)
    assert found.definitions == {
        "vhosts": [{"name": "/", "default_queue_type": "quorum"}],
        "users": [
            {
                "name": "nova",
                "password_hash": password_digest("word", SALT),
                "hashing_algorithm": ALGORITHM,
                "tags": ["monitoring"],
            }
        ],
        "permissions": [{"user": "nova", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }
    assert found.commands == []
    assert found.lines == [
        "virtual host /: quorum queues",
        "user nova: made, tags monitoring",
        "rights of nova on /: configure .*, write .*, read .*",
    ]


def test_a_settled_server_is_left_alone() -> None:
    found = plan(settled(), VHOSTS, [user()], ["stranger"], SALT)
    assert (found.definitions, found.commands, found.lines) == ({}, [], [])


def test_only_what_differs_is_imported() -> None:
    found = plan(settled(), [{"name": "/", "queue_type": "classic"}], [user(word="new")], [], SALT)
    assert found.definitions["vhosts"] == [{"name": "/", "default_queue_type": "classic"}]
    assert has_password(found.definitions["users"][0], "new")
    assert "permissions" not in found.definitions
    assert found.lines[-1] == "user nova: changed, new password, tags none"
    tagged = plan(settled(), [], [user(tags=["monitoring"])], [], SALT)
    # A password that is right keeps its digest.
    assert tagged.definitions["users"][0]["password_hash"] == settled()["users"][0]["password_hash"]
    assert tagged.lines == ["user nova: changed, tags monitoring"]


def test_rights_elsewhere_guest_and_strangers_go() -> None:
    present = settled()
    present["permissions"].append({"user": "nova", "vhost": "other", "configure": "", "write": "", "read": ".*"})
    present["users"] += [{"name": name, "password_hash": "", "tags": []} for name in ("guest", "old", "kept")]
    found = plan(present, VHOSTS, [user()], ["old"], SALT)
    assert found.definitions == {}
    assert found.commands == [
        ["clear_permissions", "--vhost", "other", "nova"],
        ["delete_user", "guest"],
        ["delete_user", "old"],
    ]


@pytest.mark.parametrize("digest", ["", "not base64!", "AAAA"])
def test_what_is_no_digest_is_no_password(digest: str) -> None:
    assert not has_password({"password_hash": digest, "hashing_algorithm": ALGORITHM}, "word")


def test_another_algorithm_is_replaced() -> None:
    old = {"password_hash": password_digest("word", SALT), "hashing_algorithm": "rabbit_password_hashing_md5"}
    assert not has_password(old, "word")


@pytest.mark.parametrize(
    ("users", "absent", "words"),
    [
        ([user("guest")], [], "everybody's"),
        ([user()], ["nova"], "wanted and to be absent"),
        ([user(), user()], [], "listed twice"),
        ([user(word="")], [], "lacks a name or password"),
        ([user(permissions=[{"vhost": "no"}])], [], "rights on no, which does not exist"),
    ],
)
def test_contradictions_are_refused(users: list[dict[str, Any]], absent: list[str], words: str) -> None:
    with pytest.raises(AccessError, match=words):
        plan({}, VHOSTS, users, absent, SALT)
