#!/usr/bin/env python3
"""The wheel holds the tracked files of both packages and its metadata, the source distribution tracked files alone.

.ci/contents.py FOLDER     with one wheel and one source distribution, in a checkout
"""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

PACKAGES = {"modelcollapse/": "modelcollapse/", "theory/modelcollapse_theory/": "modelcollapse_theory/"}
INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
OUTSIDE = (".ci/", ".github/", ".pre-commit-config.yaml")
"""What is of use in a checkout alone."""


def differences(what: str, found: set[str], wanted: set[str]) -> list[str]:
    return [f"{what} lacks {name}" for name in sorted(wanted - found)] + [
        f"{what} has {name}, which should not be there" for name in sorted(found - wanted)
    ]


def wrong(folder: Path) -> list[str]:
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    tracked = set(subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines())
    wanted = {to + name[len(at) :] for at, to in PACKAGES.items() for name in tracked if name.startswith(at)}
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        info = metadata.removesuffix("METADATA")
        said = HeaderParser().parsestr(files.read(metadata).decode())
    found = differences("the wheel", names, wanted | {info + name for name in INFO})
    found += [
        f"{name} is not tracked"
        for name in ("modelcollapse/py.typed", "modelcollapse_theory/py.typed")
        if name not in wanted
    ]
    with tarfile.open(source) as files:
        names = {member.name.partition("/")[2] for member in files.getmembers() if member.isfile()}
        packed = files.extractfile(f"modelcollapse-{said['Version']}/PKG-INFO")
        assert packed is not None
        if HeaderParser().parsestr(packed.read().decode()).items() != said.items():
            found.append("the metadata of wheel and source distribution differ")
    kept = {name for name in tracked if not name.startswith(OUTSIDE)}
    return found + differences("the source distribution", names, kept | {"PKG-INFO"})


if __name__ == "__main__":
    problems = wrong(Path(sys.argv[1]))
    print("\n".join(problems) or "wheel and source distribution hold what they should")
    sys.exit(bool(problems))
