"""Writes `package-lock.json` from `package.json`, by `python -m agent.devnet.lock`. Refuses a version that is not exact.

The manifest names every package that is used, at one version, and the lock names those and no other. What packages ask for
besides is tool chains of their own: hundreds of packages that no contract of the chain is made from.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from typing import Any, Final

from agent.devnet.artefacts import LOCK, MANIFEST, find_npm

EXACT: Final = re.compile(r"(?:npm:(?P<package>[^@]+)@)?(?P<version>[0-9]+\.[0-9]+\.[0-9]+)")
FIELDS: Final = ("version", "license", "cpu", "os", "dist.integrity")


def lock_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The lock that holds exactly what a manifest names."""
    named = ("name", "version", "license", "dependencies", "optionalDependencies")
    packages = {"": {field: manifest[field] for field in named}}
    for name, asked in sorted((manifest["dependencies"] | manifest["optionalDependencies"]).items()):
        optional = {"optional": True} if name in manifest["optionalDependencies"] else {}
        packages[f"node_modules/{name}"] = entry(name, asked) | optional
    described = {field: manifest[field] for field in ("name", "version")}
    return described | {"lockfileVersion": 3, "requires": True, "packages": packages}


def entry(name: str, asked: str) -> dict[str, Any]:
    """One package's part of the lock. Raises ValueError where the version is not exact."""
    found = EXACT.fullmatch(asked)
    if found is None:
        raise ValueError(f"{name} is asked for as {asked!r}, which is no exact version")
    package, version = found["package"], found["version"]
    said = look_up(f"{package or name}@{version}")
    alias = {"name": package} if package else {}
    integrity = {"integrity": said.pop("dist.integrity")}
    return alias | {"version": said.pop("version")} | integrity | said


def look_up(package: str) -> dict[str, Any]:
    """What the registry says about one version of a package."""
    command = (*find_npm(), "view", package, *FIELDS, "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Writes the lock."""
    LOCK.write_text(json.dumps(lock_of(json.loads(MANIFEST.read_text())), indent=2) + "\n")


if __name__ == "__main__":
    main()
