"""Prints one paper and ends: `python -I child.py TEMPLATE.typ FONTS < values.json > paper.pdf`.

A process of its own, because Typst with two whole fonts takes 43 MB that a small node should not keep (frontend.md §6).
Only the fonts of FONTS are used, so the same paper comes out on every machine. Imports nothing of ours.
"""

import sys
from pathlib import Path

import typst


def main(template: str, fonts: str) -> None:
    values = sys.stdin.buffer.read().decode()
    laid = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[Path(fonts)])
    paper = typst.compile(Path(template), font_paths=laid, ignore_system_fonts=True, format="pdf", sys_inputs={"values": values})
    sys.stdout.buffer.write(paper)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
