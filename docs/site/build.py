"""Builds the pages into ``build/docs``, and fails at the first warning, dead link, wrong example or missing object.

    python docs/site/build.py            # all of it
    python docs/site/build.py html       # the pages alone

Run it by the interpreter of an environment that has the extra ``docs``; `make docs` sets one up.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import links
import notebooks

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build"
PAGES = BUILD / "docs"


def need_node() -> None:
    """KaTeX is installed beside the environment, once for each state of the lock file."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            sys.exit(
                f"{tool} is not on the path: the formulas of the pages are written by KaTeX, which needs node and npm"
            )
    folder = Path(sys.prefix) / "node"
    lock = folder / "package-lock.json"
    if not lock.exists() or lock.read_bytes() != (HERE / "package-lock.json").read_bytes():
        folder.mkdir(exist_ok=True)
        for name in ("package.json", ".npmrc"):
            shutil.copy(HERE / name, folder)
        shutil.copy(HERE / "package-lock.json", lock)
        try:
            subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True)
        except (subprocess.CalledProcessError, KeyboardInterrupt):
            lock.unlink()
            raise


def sphinx(builder: str, output: Path) -> None:
    """One builder of Sphinx, on what the ones before it have read. Warnings are errors."""
    environment = notebooks.programs(ROOT) | {"NPROC": "1", "PYTHONWARNINGS": "ignore::RuntimeWarning"}
    command = [sys.executable, "-m", "sphinx", "--builder", builder, "--conf-dir", str(HERE), "--nitpicky"]
    command += ["--fail-on-warning", "--quiet", "--doctree-dir", str(BUILD / "doctrees"), str(ROOT), str(output)]
    if subprocess.run(command, env=environment, check=False).returncode:
        sys.exit(f"docs: {builder} failed")


def explorer() -> None:
    """The page of `modelcollapse explore` beside the others, on tables that the library writes once for each state."""
    page, folder = ROOT / "modelcollapse" / "explore" / "page", PAGES / "explore"
    tables = notebooks.kept(ROOT) / "tables.json"
    if not tables.exists():
        tables.parent.mkdir(parents=True, exist_ok=True)
        paths = os.pathsep.join([str(ROOT), str(ROOT / "theory")])
        command = [sys.executable, "-m", "modelcollapse.explore.tables", str(tables)]
        if subprocess.run(command, env=notebooks.programs(ROOT) | {"PYTHONPATH": paths}, check=False).returncode:
            sys.exit("docs: the tables of the explorer could not be written")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(page, folder)
    shutil.copy(tables, folder)


def main(builders: list[str]) -> None:
    """Every step with the time that it took."""
    need_node()
    for builder in builders:
        begun, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        if builder == "explorer":
            explorer()
        elif builder == "links":
            wrong = links.wrong(PAGES)
            print("\n".join(wrong), end="\n" if wrong else "")
            if wrong:
                sys.exit(f"docs: {len(wrong)} links lead nowhere or to another host")
        else:
            sphinx(builder, PAGES if builder == "html" else BUILD / f"docs-{builder}")
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        print(f"--- docs, {builder}: {time.monotonic() - begun:.0f} s, {cpu:.0f} CPU-seconds", flush=True)
    print(f"the first page: {PAGES / 'index.html'}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["html", "explorer", "doctest", "coverage", "links"])
