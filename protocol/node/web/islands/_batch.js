// Lists in which cases are ticked for 一起派: how many are, and what is ticked stays so when the list is redrawn. Key x ticks the row that has the focus.
const form = document.querySelector("#batch"), rows = document.querySelector("[data-ticks]"), ticked = new Set();
const boxes = () => [...rows.querySelectorAll("input[name=case]")];
const count = () => { form.querySelector("[data-count]").textContent = ticked.size ? `已选 ${ticked.size} 件` : "先在列表里勾选"; };
const again = () => {
  const there = boxes();
  for (const box of there) box.checked = ticked.has(box.value);
  for (const id of [...ticked]) if (!there.some((box) => box.value === id)) ticked.delete(id);
  count();
};
if (form && rows) {
  rows.addEventListener("change", ({ target }) => {
    if (target.name !== "case") return;
    if (target.checked) ticked.add(target.value); else ticked.delete(target.value);
    count();
  });
  addEventListener("keydown", (e) => {
    const box = e.key === "x" && document.activeElement?.closest("[data-ticks] tr")?.querySelector("input[name=case]");
    if (!box || e.isComposing || e.keyCode === 229 || e.defaultPrevented || e.ctrlKey || e.altKey || e.metaKey || document.querySelector("dialog[open]")) return;
    e.preventDefault();
    box.click();
  });
  for (const box of boxes()) if (box.checked) ticked.add(box.value); // the browser kept them over a reload
  new MutationObserver(again).observe(rows, { childList: true, subtree: true }); // a box goes and its row stays where somebody else took the case up
  count();
}
