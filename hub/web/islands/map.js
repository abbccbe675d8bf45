// Keys of the map: arrows go to the nearest tile that way, Enter opens it as any link, Escape goes up where there is something above.
const typing = (element) => element?.matches?.("input, textarea, select, [contenteditable]");
const middle = (element) => { const box = element.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// What lies that way, the nearest first; one that is off the line counts as further.
function next(from, [dx, dy], tiles) {
  const [x, y] = middle(from), far = (tile) => {
    const [tx, ty] = middle(tile), along = (tx - x) * dx + (ty - y) * dy, off = Math.abs((tx - x) * dy) + Math.abs((ty - y) * dx);
    return along > 4 ? along + 3 * off : Infinity;
  };
  const there = tiles.filter((tile) => tile !== from && far(tile) < Infinity).sort((a, b) => far(a) - far(b));
  return there[0];
}

addEventListener("keydown", (e) => {
  if (e.isComposing || e.keyCode === 229 || e.defaultPrevented || e.ctrlKey || e.altKey || e.metaKey || typing(e.target) || document.querySelector("dialog[open]")) return;
  const tiles = [...document.querySelectorAll(".mapped .spot")], at = document.activeElement, way = WAYS[e.key];
  if (way && (at === document.body || at?.id === "main" || tiles.includes(at))) {
    const to = tiles.includes(at) ? next(at, way, tiles) : tiles[0];
    if (to) { e.preventDefault(); to.focus(); }
  } else if (e.key === "Escape") {
    const up = document.querySelector("[data-up]");
    if (up) { e.preventDefault(); location.assign(up.href); }
  }
});
