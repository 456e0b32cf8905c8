# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuses tags with which Ansible would do nothing, or too little, and call that a success."""

from __future__ import annotations

DOCUMENTATION = r"""
name: known_tags
type: aggregate
short_description: No run with tags that its playbook does not have
version_added: 1.0.0
author: AccentOS contributors (@accentos)
description:
  - Ansible takes any word for a tag. With C(--tags) and a misspelt one it does nothing and ends well, and with
    C(--skip-tags) it does all.
  - A playbook with a play of which the variable C(known_tags_only) is true is refused with a tag that none of its tasks
    has. The run ends before its first play, with code 5, and tells the tags that there are.
  - Ansible leaves out a task of several tags if one of them is skipped. The variable C(known_tags_shared) of a play
    lists tags that have the play in common; a run that skips some of them and not all is refused in the same way, and
    is told what to name with C(--tags) instead.
  - C(all), C(always), C(never), C(tagged) and C(untagged) keep their meaning. Tags that Molecule skips in every
    playbook may be skipped.
  - Tags of tasks in files that are included while a playbook runs are not known to it.
  - A run of several playbooks is not looked at, since a tag may be in a later one.
requirements:
  - Listed in C(callbacks_enabled) of the configuration.
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = accentos.cloud.known_tags
"""

from typing import Any

from ansible import context
from ansible.playbook.block import Block
from ansible.plugins.callback import CallbackBase
from ansible_collections.accentos.cloud.plugins.plugin_utils.run_scope import (
    REFUSED_CODE,
    TAG_WORDS,
    refuse_shared,
    refuse_tags,
)

MARK = "known_tags_only"
SHARED = "known_tags_shared"


class CallbackModule(CallbackBase):
    """Ends a run before its first play if its playbook does not have its tags, or cannot leave them out."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "accentos.cloud.known_tags"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Compare the tags of the run with those of the playbook."""
        tags, skipped = ([str(tag) for tag in context.CLIARGS.get(name) or ()] for name in ("tags", "skip_tags"))
        plays = playbook.get_plays()
        # Tasks are put together for this; without tags that would be for nothing.
        if {*tags, *skipped} <= TAG_WORDS or len(context.CLIARGS.get("args") or ()) > 1:
            return
        if not any(play.get_vars().get(MARK) is True for play in plays):
            return
        known = set().union(*map(tags_of_play, plays))
        shared = [play.get_vars()[SHARED] for play in plays if SHARED in play.get_vars()]
        if refused := refuse_tags(known, tags, skipped) or refuse_shared(shared, known, tags, skipped):
            self._display.error(refused, wrap_text=False)
            # Ansible makes a warning of whatever else a callback raises, and goes on.
            raise SystemExit(REFUSED_CODE)


def tags_of_play(play: Any) -> set[str]:
    """Return the tags of a play and of all its tasks, those in roles too."""
    return {str(tag) for tag in play.tags}.union(*map(tags_of_block, play.compile()))


def tags_of_block(block: Any) -> set[str]:
    """Return the tags of all tasks in a block, which are those of the block too."""
    found: set[str] = set()
    for entry in (*block.block, *block.rescue, *block.always):
        found |= tags_of_block(entry) if isinstance(entry, Block) else {str(tag) for tag in entry.tags}
    return found
