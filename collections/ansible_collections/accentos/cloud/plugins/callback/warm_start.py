# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work that Ansible would do anew in each run, or in each of its processes, done once."""

from __future__ import annotations

DOCUMENTATION = r"""
name: warm_start
type: aggregate
short_description: Quicker tasks, by work that is done once
version_added: 1.0.0
author: AccentOS contributors (@accentos)
description:
  - Ansible runs each task for each host in a process of its own, which forgets what it has loaded. This plug-in loads
    the plug-ins of accentos.cloud before the first play of several tasks, so that every process has them.
  - Ansible packs each module with all that it imports once in a run. This plug-in keeps packed modules of ansible-core,
    of accentos.cloud and of the collections that it uses for the next run. They hold code only, no arguments.
  - Packed modules are used again only while ansible-core, Python and each file that they are made of are the same. They
    are not kept where folders could put other code in the place of Ansible's own.
  - Without the plug-in everything works as well and takes longer.
requirements:
  - Listed in C(callbacks_enabled) of the configuration.
options:
  folder:
    description:
      - Folder on the control node that keeps packed modules. Its mode becomes 0700.
    type: path
    default: ~/.cache/accentos/modules
    ini:
      - section: callback_warm_start
        key: folder
    env:
      - name: ACCENTOS_WARM_START_FOLDER
"""

EXAMPLES = r"""
ansible.cfg: |
  [defaults]
  callbacks_enabled = accentos.cloud.warm_start
"""

import contextlib
import importlib.util
import platform
from pathlib import Path
from typing import Any

import ansible
from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader, connection_loader, filter_loader, lookup_loader, shell_loader
from ansible.release import __version__
from ansible_collections.accentos.cloud.plugins.plugin_utils.packed_modules import Source, fingerprint, keep, take

COLLECTION = Path(__file__).parents[2]
NAMESPACE = "accentos.cloud"
# Other collections whose modules are used; these import nothing but Ansible's code and their own.
USED = ("ansible.posix", "awx.awx", "community.crypto", "containers.podman")
# What nearly every task needs besides the collection's own.
BUILTIN = ((action_loader, "normal"), (connection_loader, "ssh"), (connection_loader, "local"), (shell_loader, "sh"))


class CallbackModule(CallbackBase):
    """Loads plug-ins before tasks need them; keeps packed modules from run to run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "accentos.cloud.warm_start"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin without a place for packed modules."""
        super().__init__(*args, **kwargs)
        self._loaded = False
        self._kept: Path | None = None
        self._sources: list[Source] = []

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Take the packed modules of earlier runs."""
        if any(Path(folder).is_dir() for folder in constants.DEFAULT_MODULE_UTILS_PATH or ()):
            return
        self._sources = sources()
        files = [path for source in self._sources for path in source.files()]
        facts = [__version__, platform.python_version()]
        self._kept = Path(self.get_option("folder")) / fingerprint(files, facts)
        with contextlib.suppress(OSError):
            take(self._kept, packed())

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Load the plug-ins when that is worth it: the check of a site is one task, and may end the run."""
        if not self._loaded and is_long(play):
            self._loaded = True
            load_plugins()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Keep what this run has packed."""
        if self._kept:
            with contextlib.suppress(OSError):
                keep(packed(), self._kept, self._sources)


def packed() -> Path:
    """Return the folder where Ansible looks for modules that this run has packed."""
    return Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache"


def sources() -> list[Source]:
    """Return where the modules come from that are kept."""
    found = [Source("ansible.modules", Path(ansible.__file__).parent)]
    for name in (NAMESPACE, *USED):
        package = f"ansible_collections.{name}"
        spec = importlib.util.find_spec(package)
        if spec and spec.submodule_search_locations:
            found.append(Source(f"{package}.plugins.modules", Path(spec.submodule_search_locations[0]) / "plugins"))
    return found


def is_long(play: Any) -> bool:
    """Tell whether a play has roles or more than one task."""
    tasks = [task for part in play.get_tasks() for task in (part if isinstance(part, list) else [part])]
    return bool(play.get_roles()) or len(tasks) > 1


def load_plugins() -> None:
    """Load the collection's plug-ins, and what nearly every task needs besides."""
    for loader, folder in ((filter_loader, "filter"), (lookup_loader, "lookup"), (action_loader, "action")):
        for path in sorted((COLLECTION / "plugins" / folder).glob("[a-z]*.py")):
            loader.get(f"{NAMESPACE}.{path.stem}", class_only=True)
    for loader, name in BUILTIN:
        loader.get(f"ansible.builtin.{name}", class_only=True)
