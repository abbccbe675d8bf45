"""Tables that leave the page as files: CSV as Excel opens it, xlsx as Excel writes it. Each begins with who made it, when and of what.

A text that a spreadsheet would take for a formula is made a text: what a person typed into a case must not run at somebody's desk. Whole
lists are written while they are read: CSV goes out piece by piece; a workbook is built aside of the pages and ends at XLSX_ROWS_MAX.
"""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from protocol.node.web.made_up import PREFIX

BOM: Final = "\ufeff"  # else Excel reads the bytes as GBK
CHANGE: Final = re.compile(r"[+−]\d{1,9}(\.\d)?(%| 个百分点)")  # ours: a number with its sign, which no spreadsheet takes for more
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
XLSX_ROWS_MAX: Final = 20_000  # about 60 MB while it is built; CSV has no end
CSV_TYPE: Final = "text/csv"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WIDTH_MAX: Final = 48  # characters of a column
ENDS_HERE: Final = f"只写到第 {XLSX_ROWS_MAX} 件。全部请导出 CSV。"


class Rate(msgspec.Struct, frozen=True):
    """A share of one; None where nothing can be divided."""

    value: float | None

    @property
    def words(self) -> str:
        return "" if self.value is None else f"{self.value * 100:.1f}%"


Cell = str | int | float | Rate | None


class Sheet(msgspec.Struct, frozen=True):
    title: str
    head: tuple[str, ...]
    rows: list[list[Cell]]


def plain(cell: Cell) -> str | int | float:
    """As it stands in CSV: formulas defused by the sign that spreadsheets hide."""
    if isinstance(cell, Rate):
        return cell.words
    if isinstance(cell, str) and not CHANGE.fullmatch(cell):
        return f"'{cell}" if cell.lstrip(" \u3000").startswith(FORMULA) or cell.startswith(FORMULA) else cell
    return "" if cell is None else cell


def csv_lines(rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([[plain(cell) for cell in row] for row in rows])
    return text.getvalue().encode()


def csv_sheets(about: list[list[Cell]], sheets: list[Sheet]) -> bytes:
    """One below the other, an empty line between."""
    parts = [csv_lines(about), *[csv_lines([[], [sheet.title], sheet.head, *sheet.rows]) for sheet in sheets]]
    return BOM.encode() + b"".join(parts)


async def csv_pieces(about: list[list[Cell]], head: Sequence[str], pieces: AsyncIterator[list[list[Cell]]]) -> AsyncIterator[bytes]:
    yield BOM.encode() + csv_lines([*about, [], head])
    async for rows in pieces:
        yield csv_lines(rows)


class Workbook:
    """In memory: what a temporary file held could be read by who finds the disk."""

    def __init__(self, title: str, author: str, about: list[list[Cell]], mark: str = "") -> None:
        """mark: printed above and below on every page; the sheets' names say it too."""
        import xlsxwriter  # a node that nobody asks for a workbook does without its memory

        self._bytes, self._mark = io.BytesIO(), mark
        self._book = xlsxwriter.Workbook(self._bytes, {"in_memory": True})
        self._book.set_properties({"title": title, "author": author})
        self._head = self._book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._rate, self._wrap = self._book.add_format({"num_format": "0.0%"}), self._book.add_format({"text_wrap": True, "valign": "top"})
        sheet = self._sheet("说明")
        sheet.set_column(0, 0, 14)
        sheet.set_column(1, 1, 90, self._wrap)
        for n, row in enumerate(about):
            self._row(sheet, n, row)

    def begin(self, title: str, head: Sequence[str]) -> Any:
        """An empty sheet with its head; `write` fills it."""
        sheet = self._sheet(title)
        sheet.write_row(0, 0, head, self._head)
        sheet.freeze_panes(1, 1)
        for n, words in enumerate(head):
            sheet.set_column(n, n, min(max(10, 2 * len(words) + 2), WIDTH_MAX))
        return sheet

    def _sheet(self, title: str) -> Any:
        sheet = self._book.add_worksheet(PREFIX + title if self._mark else title)
        if self._mark:
            sheet.set_header(f"&C&B{self._mark}")
            sheet.set_footer(f"&C&B{self._mark}")
        return sheet

    def write(self, sheet: Any, first: int, rows: Iterable[Sequence[Cell]]) -> None:
        for n, row in enumerate(rows, first):
            self._row(sheet, n, row)

    def add(self, made: Sheet) -> None:
        sheet = self.begin(made.title, made.head)
        if made.rows:
            longest = max(len(str(row[0] or "")) for row in made.rows)
            sheet.set_column(0, 0, min(max(14, 2 * longest + 2), WIDTH_MAX))
        self.write(sheet, 1, made.rows)

    def close(self) -> bytes:
        self._book.close()
        return self._bytes.getvalue()

    def _row(self, sheet: Any, n: int, row: Sequence[Cell]) -> None:
        for column, cell in enumerate(row):
            if isinstance(cell, Rate):
                if cell.value is not None:
                    sheet.write_number(n, column, cell.value, self._rate)
            elif isinstance(cell, str):
                sheet.write_string(n, column, cell)  # `write` would make formulas and links of some
            elif cell is not None:
                sheet.write_number(n, column, cell)


async def xlsx_sheets(title: str, author: str, about: list[list[Cell]], sheets: list[Sheet], mark: str = "") -> bytes:
    def made() -> bytes:
        book = Workbook(title, author, about, mark)
        for sheet in sheets:
            book.add(sheet)
        return book.close()

    return await asyncio.to_thread(made)


async def xlsx_list(
    title: str, author: str, about: list[list[Cell]], head: Sequence[str], pieces: AsyncIterator[list[list[Cell]]], mark: str = ""
) -> AsyncIterator[bytes]:
    """One sheet, made in pieces aside of the loop that draws the pages, and whole at the end: who goes away before ends the work."""
    book = Workbook(title, author, about, mark)
    sheet, written = book.begin("纠纷", head), 0
    async for rows in pieces:
        some = rows[: XLSX_ROWS_MAX - written]
        await asyncio.to_thread(book.write, sheet, written + 1, some)
        written += len(some)
        if len(some) < len(rows):
            book.write(sheet, written + 1, [[ENDS_HERE]])
            break
    yield await asyncio.to_thread(book.close)


def attached(name: str) -> dict[str, str]:
    """The header that names the file, in signs that every browser reads."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
