#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: images for bare machines are built from recipes and published whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_image_build
author: AccentOS contributors (@accentos)
version_added: 1.0.0
short_description: Build images from recipes and publish them whole
description:
  - Runs the program of a recipe in an empty folder and publishes what it makes, with a description in C(image.json).
  - The version of an image is a digest of its recipe. A version that is there is not built again.
  - An image is a link to a folder that is named after its version and never changes. The link is replaced in one step
    when the version is whole; the version before it is kept, and going back to it needs no build.
  - Programs run in a mount and a process namespace of their own and end with the module, so that a run that is killed
    leaves neither mounts nor processes. Its files are removed by the next run.
options:
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      folder:
        description: Folder that holds the image and its versions. It is made if it is missing.
        type: path
        required: true
      name:
        description: Name of the image in the folder.
        type: str
        required: true
      architecture:
        description: Architecture of the image, as Debian names it. The program gets it as E(ARCHITECTURE).
        type: str
        required: true
      program:
        description: The one of O(images[].files) that is run by C(/bin/sh). It reads C(recipe/) and writes C(out/).
        type: str
        required: true
      files:
        description: Texts of the recipe by path below C(recipe/).
        type: dict
        required: true
      environment:
        description: Environment of the program.
        type: dict
        default: {}
      outputs:
        description:
          - Files that the program makes in C(out/); the first is the one that C(image.json) describes at its top.
          - Besides, C(out/info.json) holds a dictionary that becomes part of C(image.json).
        type: list
        elements: str
        required: true
      space_mib:
        description: Free MiB that the build needs.
        type: int
        default: 1024
      executes:
        description:
          - Whether the program runs programs of the image, which those of another architecture than the host's do only
            with an interpreter, such as the package C(qemu-user-binfmt) registers. The program C(arch-test) tries it.
          - An image that cannot be built for that reason is refused before any is built.
        type: bool
        default: false
  sources:
    description:
      - Apt sources in deb822 format, given to programs as C(recipe/debian.sources).
      - They are no part of the version, since the same archive has many mirrors.
    type: str
    default: ""
  proxy:
    description: Proxy to the archives, given to programs as E(PROXY). It is no part of the version.
    type: str
    default: ""
  timeout:
    description: Seconds that one build may take, and that another run which builds the same image is waited for.
    type: int
    default: 3600
extends_documentation_fragment: [accentos.cloud.attributes]
attributes:
  diff_mode:
    description: Shows the versions before and after.
    support: full
  idempotence:
    description: A second run builds nothing.
    support: full
"""

EXAMPLES = r"""
- name: Publish a file that says hello
  accentos.cloud.host_image_build:
    images:
      - folder: /srv/example
        name: hello
        architecture: amd64
        program: build
        files:
          build: |
            mkdir out
            echo hello >out/text
            echo '{"language": "en"}' >out/info.json
        outputs: [text]
"""

RETURN = r"""
images:
  description: What was done, image by image.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the image.
      type: str
    action:
      description: V(build), V(link) when a version that is there becomes the current one, V(tidy), or V(none).
      type: str
    version:
      description: Digest of the recipe.
      type: str
    seconds:
      description: Seconds that the build took.
      type: float
    image:
      description:
        - The content of C(image.json). In check mode an image that would be built has what is known of it before, which
          are C(name), C(version), C(architecture), and C(files) with the names of the outputs.
      type: dict
  sample:
    - name: base-amd64
      action: build
      version: 0123456789abcdef
      seconds: 84.2
      image: {name: base-amd64, version: 0123456789abcdef, sha256: 9f86d08..., size: 190000000, raw_size: 700000000}
"""

import datetime
import errno
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.accentos.cloud.plugins.module_utils.image_builds import (
    BUILDING,
    TEMPORARY_LINK,
    Found,
    Plan,
    Recipe,
    bad_recipe,
    is_foreign,
    missing_space,
    plan,
    version_of,
    versions,
    why_not_run,
)
from ansible_collections.accentos.cloud.plugins.module_utils.planned import MADE_BY_RUN
from ansible_collections.accentos.cloud.plugins.module_utils.process_locks import HeldError, only_one

DESCRIPTION = "image.json"
BINFMT = Path("/proc/sys/fs/binfmt_misc/register")
_LOG_LINES = 40
_MIB = 2**20
_CHUNK = 4 * _MIB
# The program and all that it starts end when the module does, and take their mounts with them.
_JAIL = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BuildError(Exception):
    """An image that is not built; its remedy says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Order:
    """One image to have: where, what it is made of, and how it is built."""

    folder: Path
    name: str
    architecture: str
    recipe: Recipe
    space_mib: int
    executes: bool
    timeout: int
    sources: str
    proxy: str
    version: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "version", version_of(self.recipe))

    @property
    def home(self) -> Path:
        """Folder of the version."""
        return self.folder / f"{self.name}@{self.version}"

    @property
    def workshop(self) -> Path:
        """Folder in which it is built."""
        return self.folder / f"{BUILDING}{self.name}"


def read_description(home: Path) -> dict[str, Any] | None:
    """Return the description of the version in HOME, or None unless all its files are there with their sizes."""
    try:
        described = json.loads((home / DESCRIPTION).read_text(encoding="utf-8"))
        whole = all((home / name).stat().st_size == known["size"] for name, known in described["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return described if whole else None


def look(order: Order) -> Found:
    """Return what lies in the folder of ORDER."""
    names = frozenset(path.name for path in order.folder.iterdir()) if order.folder.is_dir() else frozenset()
    link = order.folder / order.name
    target = str(link.readlink()) if link.is_symlink() else ""
    prefix = f"{order.name}@"
    if link.exists() and not link.is_symlink():
        raise BuildError(f"{link} is no link to a version.", "Move it away: images are published as links.")
    return Found(
        names=names,
        current=target.removeprefix(prefix) if target.startswith(prefix) else None,
        whole=frozenset(
            version
            for version, entry in versions(order.name, names).items()
            if read_description(order.folder / entry) is not None
        ),
    )


def remove(folder: Path, names: tuple[str, ...]) -> None:
    """Remove NAMES from FOLDER, whatever they are."""
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def free_mib(folder: Path) -> int:
    """Return the free MiB where FOLDER is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // _MIB


def check_space(order: Order) -> None:
    """Raise BuildError if the disk has not enough room for the build of ORDER."""
    free = free_mib(order.folder)
    missing = missing_space(order.space_mib, free)
    if missing:
        raise BuildError(
            f"The build of {order.name} needs {order.space_mib} MiB in {order.folder} and {free} MiB are free: "
            f"{missing} MiB are missing.",
            "Remove what is not needed there or enlarge the disk, then run again. The published image is untouched.",
        )


def check_architecture(module: AnsibleModule, order: Order) -> None:
    """Raise BuildError if ORDER is to be built and this host does not run programs of its architecture."""
    architecture = order.architecture
    if not order.executes or not is_foreign(architecture, platform.machine()):
        return
    if not plan(order.name, order.version, look(order)).build:
        return
    program = shutil.which("arch-test", path=_PATH)
    if program is None:
        # In check mode it is a package that this very run would install.
        if not module.check_mode:
            raise BuildError(
                f"The build of {order.name} runs programs of {architecture}; whether they run here cannot be tried.",
                "Install the package arch-test.",
            )
        return
    code, _out, _err = module.run_command([program, architecture])
    if code:
        reason, remedy = why_not_run(architecture, binfmt=BINFMT.exists())
        raise BuildError(
            f"The build of {order.name} runs programs of {architecture}, and this host does not: {reason}.",
            f"{remedy}; or build on a host of that architecture, or leave it out. Nothing was built.",
        )


def run_program(order: Order) -> None:
    """Run the program of ORDER in its workshop. Raises BuildError with the end of what it said."""
    work = order.workshop
    texts = {**order.recipe.files, "debian.sources": order.sources}
    for name, text in texts.items():
        path = work / "recipe" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    environment = {
        "PATH": _PATH,
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        **order.recipe.environment,
        "PROXY": order.proxy,
    }
    argv = [*_JAIL, "/bin/sh", f"recipe/{order.recipe.program}"]
    log = work / "log"
    with log.open("wb") as output:
        try:
            done = subprocess.run(  # noqa: S603  the recipe's program is what this module is asked to run
                argv,
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=order.timeout,
                check=False,
            )
            failure = f"ended with code {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            failure = f"took more than {order.timeout} s"
        except OSError as error:
            failure = f"does not start: {error}"
    if failure:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        # Programs that clean up after themselves leave room again; others could not even log the reason.
        full = free_mib(order.folder) == 0 or os.strerror(errno.ENOSPC) in "\n".join(tail)
        raise BuildError(
            f"The build of {order.name} {failure}. The end of its output:\n" + "\n".join(tail),
            f"The disk ran full: make room in {order.folder}, then run again. The published image is untouched."
            if full
            else "Mend what the output complains about, then run again. The published image is untouched.",
        )


def describe(order: Order, out: Path) -> dict[str, Any]:
    """Return the description of what the program of ORDER left in OUT, and put everything on the disk.

    Raises BuildError.
    """
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    absent = [name for name in (*order.recipe.outputs, "info.json") if name not in names]
    if absent:
        raise BuildError(
            f"The build of {order.name} made no {', '.join(absent)}.", "Mend the program of the recipe: it ended well."
        )
    files = {}
    for name in sorted(names - {"info.json"}):
        digest = hashlib.sha256()
        with (out / name).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            os.fsync(file.fileno())
        files[name] = {"sha256": digest.hexdigest(), "size": (out / name).stat().st_size}
    try:
        info = json.loads((out / "info.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BuildError(f"The info.json of {order.name} is no JSON: {error}", "Mend the recipe's program.") from error
    main = files[order.recipe.outputs[0]]
    return {
        "name": order.name,
        "version": order.version,
        "architecture": order.architecture,
        **info,
        "sha256": main["sha256"],
        "size": main["size"],
        "files": files,
        "built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def sync_folder(folder: Path) -> None:
    """Put the names in FOLDER on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def foreseen(order: Order) -> dict[str, Any]:
    """Return what is known of the image of ORDER before it is built, in the form of its description."""
    return {
        "name": order.name,
        "version": order.version,
        "architecture": order.architecture,
        "files": {name: {} for name in order.recipe.outputs},
    }


def build(order: Order) -> None:
    """Build the version of ORDER; it appears under its name when it is whole. Raises BuildError."""
    check_space(order)
    order.workshop.mkdir(mode=0o700)
    try:
        run_program(order)
        out = order.workshop / "out"
        described = describe(order, out)
        (out / "info.json").unlink()
        with (out / DESCRIPTION).open("w", encoding="utf-8") as file:
            file.write(json.dumps(described, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        for path in out.iterdir():
            path.chmod(0o644)
        out.chmod(0o755)
        sync_folder(out)
        out.rename(order.home)
        sync_folder(order.folder)
    finally:
        shutil.rmtree(order.workshop, ignore_errors=True)


def turn_link(order: Order) -> None:
    """Let the name of the image mean the version of ORDER, in one step."""
    temporary = order.folder / f"{TEMPORARY_LINK}{order.name}"
    temporary.symlink_to(order.home.name)
    temporary.replace(order.folder / order.name)
    sync_folder(order.folder)


def action_of(planned: Plan) -> str:
    """Return the one word for what is PLANNED."""
    return "build" if planned.build else "link" if planned.link else "tidy" if planned.changes else "none"


def carry_out(module: AnsibleModule, order: Order) -> tuple[dict[str, Any], str | None]:
    """Have the image of ORDER, or in check mode say what would be done. Returns the result and the version before.

    Raises BuildError, HeldError and OSError.
    """
    started = time.monotonic()
    found = look(order)
    planned = plan(order.name, order.version, found)
    if planned.changes and not module.check_mode:
        order.folder.mkdir(parents=True, exist_ok=True)
        lock = order.folder / f".lock-{order.name}"
        with only_one(module, lock, f"builds {order.name}", timeout=order.timeout):
            # Another run may have been at it until now.
            found = look(order)
            planned = plan(order.name, order.version, found)
            remove(order.folder, planned.remove_before)
            if planned.build:
                build(order)
            if planned.link:
                turn_link(order)
            remove(order.folder, planned.remove_after)
    elif planned.build:
        check_space(order)
    result = {
        "name": order.name,
        "action": action_of(planned),
        "version": order.version,
        "seconds": round(time.monotonic() - started, 1),
        "image": read_description(order.home) or (foreseen(order) if module.check_mode else None),
    }
    return result, found.current


def read_orders(params: Mapping[str, Any]) -> list[Order]:
    """Return the orders that the module's parameters are. Raises BuildError."""
    orders = []
    for image in params["images"]:
        recipe = Recipe(
            program=image["program"],
            files={str(name): str(text) for name, text in image["files"].items()},
            environment={
                **{str(name): str(value) for name, value in image["environment"].items()},
                "ARCHITECTURE": image["architecture"],
            },
            outputs=tuple(image["outputs"]),
        )
        wrong = bad_recipe(recipe)
        name = image["name"]
        if not name or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            wrong = "its name may have letters, digits, - and _ only"
        if wrong:
            raise BuildError(f"The recipe of image {name!r} is wrong: {wrong}.", "Mend the recipe.")
        orders.append(
            Order(
                folder=Path(image["folder"]),
                name=name,
                architecture=image["architecture"],
                recipe=recipe,
                space_mib=image["space_mib"],
                executes=image["executes"],
                timeout=params["timeout"],
                sources=params["sources"],
                proxy=params["proxy"],
            )
        )
    return orders


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "folder": {"type": "path", "required": True},
                    "name": {"type": "str", "required": True},
                    "architecture": {"type": "str", "required": True},
                    "program": {"type": "str", "required": True},
                    "files": {"type": "dict", "required": True},
                    "environment": {"type": "dict", "default": {}},
                    "outputs": {"type": "list", "elements": "str", "required": True},
                    "space_mib": {"type": "int", "default": 1024},
                    "executes": {"type": "bool", "default": False},
                },
            },
            "sources": {"type": "str", "default": ""},
            "proxy": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    results, before = [], []
    try:
        orders = read_orders(module.params)
        for order in orders:
            check_architecture(module, order)
        for order in orders:
            result, current = carry_out(module, order)
            results.append(result)
            before.append(f"{order.folder}/{order.name}@{current or '(none)'}\n")
    except (BuildError, HeldError) as error:
        module.fail_json(msg=str(error), remedy=error.remedy, images=results)
    except OSError as error:
        module.fail_json(
            msg=f"An image is not built: {error}",
            remedy="Make room or mend the rights in the folder of the images, then run again.",
            images=results,
        )
    # The version that a run builds is another one where that run also makes the authority which the image trusts.
    foretold = f" {MADE_BY_RUN}" if module.check_mode else ""
    after = [
        f"{image['folder']}/{result['name']}@{result['version']}{foretold if result['action'] == 'build' else ''}\n"
        for image, result in zip(module.params["images"], results, strict=True)
    ]
    module.exit_json(
        changed=any(result["action"] != "none" for result in results),
        images=results,
        diff={"before": "".join(before), "after": "".join(after)},
    )


if __name__ == "__main__":
    main()
