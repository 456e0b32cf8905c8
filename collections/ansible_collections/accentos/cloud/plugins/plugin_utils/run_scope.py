# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What --limit and --tags leave of a run: whether a playbook can still do what it is for. Pure functions over names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ansible_collections.accentos.cloud.plugins.plugin_utils.site_finding import nearest, printable
from ansible_collections.accentos.cloud.plugins.plugin_utils.site_inventory import CONTROL_NODE

# That of Ansible itself for options that cannot be.
REFUSED_CODE = 5
# Words with a meaning of their own for --tags and --skip-tags.
TAG_WORDS = frozenset({"all", "always", "never", "tagged", "untagged"})
# Molecule skips these in every playbook, whether it has them or not.
MOLECULE_TAGS = frozenset({"molecule-idempotence-notest", "molecule-notest", "notest"})
FIRST = "[0]"
MOST_NAMES = 5


def hosts_of(pattern: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the hosts of the site that a pattern stands for, whatever the limit, each once.

    :param pattern: a group, the first host of one as GROUP[0], a host, or several of these with colons between.
    :param groups: all groups of the inventory with their hosts, as Ansible's variable of that name.
    """
    found: dict[str, None] = {}
    for part in pattern.split(":"):
        name = part.removesuffix(FIRST)
        alone = [name] if name == CONTROL_NODE or name in groups.get("all", ()) else []
        hosts = groups.get(name, alone)
        found.update(dict.fromkeys(hosts[:1] if part.endswith(FIRST) else hosts))
    return list(found)


def refuse_site(needed: Iterable[str], groups: Mapping[str, Sequence[str]]) -> str:
    """Say which patterns stand for no host of the site, and what to do; empty if all stand for one."""
    without = [printable(pattern) for pattern in needed if not hosts_of(pattern, groups)]
    if not without:
        return ""
    return (
        f"This playbook needs a host in {' and in '.join(without)}, and the site has none. Nothing was done. Describe "
        "one in hosts.yml of the site, in that group, then run the same command again."
    )


def refuse_limit(needed: Iterable[str], groups: Mapping[str, Sequence[str]], run: Collection[str]) -> str:
    """Say which patterns stand for no host of the run, and what to do; empty if all stand for one.

    :param run: the hosts that the limit leaves.
    """
    found = {pattern: hosts_of(pattern, groups) for pattern in needed}
    left_out = [_listing(pattern, hosts) for pattern, hosts in found.items() if hosts and not {*hosts} & {*run}]
    if not left_out:
        return ""
    them = "it" if len(left_out) == 1 else "them"
    return (
        f"This playbook needs {' and '.join(left_out)}, and the limit of this run leaves {them} out. Nothing was done. "
        f"Add {them} to --limit, or run without a limit; in AWX it is the limit of the job."
    )


def _listing(pattern: str, hosts: Sequence[str]) -> str:
    """Name the hosts of a pattern as people do, and the pattern if it is another name for them."""
    if [*hosts] == [pattern]:
        return printable(pattern)
    more = f" and {len(hosts) - MOST_NAMES} more" if len(hosts) > MOST_NAMES else ""
    names = ("one of " if len(hosts) > 1 else "") + ", ".join(hosts[:MOST_NAMES]) + more
    return printable(f"{names} ({pattern})")


def refuse_tags(known: Collection[str], tags: Iterable[str], skipped: Iterable[str]) -> str:
    """Say which tags nothing in a playbook has, and which it has; empty if there are no such tags.

    :param known: the tags of all its tasks.
    :param tags: those of --tags; ``skipped``: those of --skip-tags.
    """
    own = sorted({*known} - TAG_WORDS)
    told = []
    for option, given, more in (("--tags", tags, frozenset[str]()), ("--skip-tags", skipped, MOLECULE_TAGS)):
        for tag in sorted({*given} - {*own} - TAG_WORDS - more):
            meant = nearest(tag, own)
            told.append(f'{option} "{printable(tag)}"' + (f', did you mean "{printable(meant)}"?' if meant else ""))
    if not told:
        return ""
    tail = f"Its tags are {', '.join(map(printable, own))}." if own else "It has no tags."
    return f"Nothing was touched. Nothing in this playbook has a tag that it was run with: {'; '.join(told)}. {tail}"


def refuse_shared(
    shared: Iterable[Collection[str]], known: Collection[str], tags: Collection[str], skipped: Collection[str]
) -> str:
    """Say which tags cannot be left out, since others would lack something then, and what to do; empty for none.

    Ansible leaves out a task of several tags if one of them is skipped.

    :param shared: for each play that several tags have in common, those tags.
    :param known: the tags of all tasks of the playbook.
    :param tags: those of --tags; ``skipped``: those of --skip-tags.
    """
    torn = [({*own} & {*skipped}, {*own} - {*skipped}) for own in shared if {*own} & {*skipped}]
    wrong = sorted(set[str]().union(*(left for left, kept in torn if kept)))
    if not wrong:
        return ""
    with_them = sorted(set[str]().union(*(kept for _left, kept in torn)))
    chosen = {*known} if {*tags} <= TAG_WORDS else {*tags}
    wanted = sorted(chosen - {*skipped} - TAG_WORDS)
    instead = (
        f"To do all else, name it: --tags {','.join(map(printable, wanted))}" if wanted else "Nothing else is left"
    )
    return (
        f"Nothing was touched. With --skip-tags {','.join(map(printable, wrong))} parts of "
        f"{', '.join(map(printable, with_them))} would be left out, too, since they are done together. {instead}."
    )
