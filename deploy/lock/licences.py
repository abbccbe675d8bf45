"""The licence of every dependency, Python and browser, as installed and locked. Prints the list; fails on one that may not be.

A Python package says it in its metadata (License-Expression, else classifier, else field, else the text of its licence
file), a browser package in package-lock.json. Unknown is refused like forbidden: somebody looks, then adds it below.
"""

import json
import re
import sys
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ALLOWED = {"MIT", "MIT-0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "ISC", "Zlib", "PSF-2.0", "Unlicense", "OFL-1.1"}
ALLOWED |= {"MPL-2.0"}  # copyleft per file: fine beside us and unchanged, as certifi, pathspec and hypothesis are
SAME = {
    "mit license": "MIT", "apache software license": "Apache-2.0", "apache 2 license": "Apache-2.0", "apache 2.0": "Apache-2.0",
    "bsd license": "BSD", "3-clause bsd license": "BSD-3-Clause", "isc license": "ISC", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "bsd-0-clause": "0BSD",
    "python software foundation license": "PSF-2.0",
}  # fmt: skip
TEXTS = {
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy",
    "BSD": "Redistribution and use in source and binary forms, with or without",
    "Apache-2.0": "Apache License Version 2.0",
    "Zlib": "Altered source versions must be plainly marked as such",
}


def locked(lock: str) -> dict[str, bool]:
    """Names in a lock → whether every system needs it."""
    lines = re.findall(r"^([a-z0-9-]+)==\S+( ; )?", (HERE / lock).read_text(), re.MULTILINE)
    return {name: not marker for name, marker in lines}


def stated(package: metadata.Distribution) -> str:
    """What the package says of itself, as an SPDX expression where it can be read as one; '' when it says nothing."""

    def field(name: str) -> list[str]:
        return package.metadata.get_all(name) or []

    if expression := field("License-Expression"):
        return expression[0]
    classifiers = [c.rsplit(" :: ", 1)[1] for c in field("Classifier") if c.startswith("License :: OSI Approved ::")]
    words = classifiers or field("License")
    if any(words) and all(len(word) < 60 for word in words):
        return " OR ".join(SAME.get(word.lower(), word) for word in words)
    for file in package.files or []:
        if re.search(r"licen[cs]e|copying", file.name, re.IGNORECASE):
            text = " ".join(Path(str(file.locate())).read_text(errors="replace").split())
            if found := [name for name, words in TEXTS.items() if words.lower() in text.lower()]:
                return found[0]
    return ""


def may(expression: str) -> bool:
    """Every part joined by AND is allowed; of parts joined by OR one is enough."""
    parts = re.split(r"\s+AND\s+", expression.replace("(", "").replace(")", ""))
    return all(any(SAME.get(word.strip().lower(), word.strip()) in ALLOWED for word in re.split(r"\s+OR\s+", part)) for part in parts)


def rows() -> list[tuple[str, str, str, bool]]:
    """(what for, package, licence, whether it may be)."""
    run, test, found = locked("run.lock"), locked("test.lock"), []
    for name, everywhere in sorted((run | test).items()):
        use = "run" if name in run else "test"
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found.append((use, name, "NOT INSTALLED" if everywhere else "(another system's)", not everywhere))
            continue
        licence = stated(package)
        found.append((use, f"{name} {package.version}", licence or "UNKNOWN", may(licence)))
    packages = json.loads((HERE.parent / "web/package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if path and not package.get("optional"):
            licence = package.get("license", "")
            found.append(("web", f"{path.removeprefix('node_modules/')} {package['version']}", licence or "UNKNOWN", may(licence)))
    return found


def main() -> int:
    found = rows()
    for use, package, licence, fine in found:
        print(f"{use:<5}{package:<42}{licence}{'' if fine else '   ← not allowed'}")
    return int(not all(fine for *_, fine in found))


if __name__ == "__main__":
    sys.exit(main())
