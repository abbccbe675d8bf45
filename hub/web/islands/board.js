// Keys of the board, beside those of desk.js: on the row that has the focus (none: the first). Never while an input method composes or a
// field has the focus. What would hand a case over is only gone to: Enter on the button does it.
const one = (selector, root = document) => root.querySelector(selector);
const typing = (element) => element?.matches?.("input:not([type=radio], [type=checkbox], [type=button]), textarea, select, [contenteditable]");
const said = one("#key-said");
const say = (words) => { said.textContent = words; said.hidden = !words; };
const row = () => document.activeElement?.closest?.("#board-rows tr") ?? one("#board-rows tr[data-case]");
const KEYS = {
  t: (at) => { const button = one("form[action$=TakeUpDispute] button", at); button?.focus(); say(button?.title ?? "这一件现在不用受领。"); },
  d: (at) => { const link = one("a[hx-get]", at); link ? link.click() : say("这一件不是本单位承办，不能派单。"); },
  c: (at) => { one("a[hx-get]", at) ? location.assign(`/cases/${at.dataset.case}/dispatch#convene`) : say("这一件不是本单位承办，不能请部门联调。"); },
  x: (at) => { const box = one("input[type=checkbox]", at); if (box) box.click(); else say("这一件不是本单位承办，不能一起派。"); },
};
const narrow = () => one("#narrow select").focus();
// A choice of the filters counts with Enter too, as in a field of text.
one("#narrow").addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || e.isComposing || !e.target.matches("select")) return;
  e.preventDefault();
  e.target.form.requestSubmit();
});
addEventListener("keydown", (e) => {
  const act = KEYS[e.key] ?? (e.key === "f" ? narrow : e.key > 0 && (() => one("#figures").children[e.key - 1]?.click()));
  if (!act || e.isComposing || e.keyCode === 229 || e.defaultPrevented || e.ctrlKey || e.altKey || e.metaKey || typing(e.target) || one("dialog[open]")) return;
  if (e.target.closest?.("#dispatch")) return; // the form there has its own words
  const at = row();
  if (act === KEYS[e.key] && !at?.dataset.case) return;
  e.preventDefault();
  say("");
  act(at);
});

// The pane: what was opened is gone to, but not from where somebody writes by then (as htmx does with autofocus); Esc goes back to where it was opened.
let opener = null;
addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const pane = one("#dispatch");
  if (ctx?.target !== pane || ctx.sourceElement?.closest("#dispatch")) return;
  opener = ctx.sourceElement;
  if (typing(document.activeElement)) return;
  pane.scrollIntoView({ block: "nearest" });
  (one("[data-start]", pane) ?? one("input:not([type=hidden]):not(:disabled), select, button", pane))?.focus({ preventScroll: true });
});
addEventListener("keydown", (e) => {
  if (e.key !== "Escape" || e.isComposing || one("dialog[open]") || !e.target.closest?.("#dispatch") || !opener) return;
  const back = opener.closest("tr") ? one("[data-row]", opener.closest("tr")) : opener;
  if (!back?.isConnected) return;
  e.preventDefault();
  back.focus();
});

// The bars bring ECharts along, which nobody needs before they are looked at.
const bars = one("details[data-script]");
bars?.addEventListener("toggle", () => import(bars.dataset.script), { once: true });

// 受领 in the list is done here: beside it stands what came of it, and the next row has the focus. After that, and after a redraw in which the row with
// the focus went, it goes to the nearest that follows, else to the nearest before.
const TWICE_MS = 350; // the second press of a double one was not meant for what stands there by now
let held, twice = 0;
const from = (row) => { // it, those that follow, those before
  const rows = [...one("#board-rows").rows], n = rows.indexOf(row);
  return [...rows.slice(n), ...rows.slice(0, n).reverse()];
};
const goTo = (rows) => {
  twice = performance.now() + TWICE_MS;
  say("");
  (one("[data-row]", rows.find((row) => row.isConnected)) ?? one("#figures [aria-current]")).focus();
};
addEventListener("htmx:before:swap", () => { const row = document.activeElement.closest("[data-case]"); held = row && from(row); });
addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const at = document.activeElement, isLost = at === document.body, row = ctx?.target?.id === "taken" && one(`#row-${ctx.request.action.split("/")[2]}`);
  if (row && ctx.response.status === 200) {
    if (isLost || row.contains(at)) goTo(from(row).slice(1));
    one("form", row)?.replaceWith("已受领"); // the stream draws the row anew
  } else if (isLost && held) goTo(held);
});
addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.repeat || e.timeStamp < twice) && e.target.closest("[data-case]")) e.preventDefault(); });
