// What every page of a desk needs: htmx, its stream, the keys a clerk uses all day, and care for what is being typed.
import "htmx.org/dist/htmx.esm.js"; // puts window.htmx in place before the extension looks for it
import "htmx.org/dist/ext/hx-sse.js";
import "./_batch.js";
import { copied } from "./_copy.js";
import "./_files.js";
import "./_find.js";
import { make } from "./_make.js";
import { isGoing, stayed, watch } from "./_saving.js";
import "./_pane.js";
import "./_taking.js";
import { bringBack, drop, isAtRisk, keep, lock, onKept } from "./_drafts.js";
import { headers } from "./_whose.js";

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const live = (element) => element?.id === "live";

const bar = one("header.bar"), parts = [...(bar?.children ?? [])]; // at each width Tab and a reader go through them as they are drawn
function inOrder() {
  const at = document.activeElement, order = new Map(parts.map((part) => [part, Number(getComputedStyle(part).order)]));
  const drawn = [...parts].sort((a, b) => order.get(a) - order.get(b));
  if (drawn.every((part, n) => part === bar.children[n])) return;
  bar.append(...drawn);
  if (bar.contains(at)) at.focus({ preventScroll: true });
}
inOrder();
for (const width of ["68.75em", "43.75em"]) matchMedia(`(max-width: ${width})`).addEventListener("change", inOrder);

const strip = one("#nav"); // on a phone it is one line that scrolls: where one is stands in sight
if (strip && strip.scrollWidth > strip.clientWidth) strip.scrollLeft = (one("[aria-current]", strip)?.offsetLeft ?? 0) - strip.clientWidth / 3;

if (!one("main [autofocus]")) one("main [data-summary]")?.focus(); // of a whole page that says what was wrong: it may stand far below the top

// ── what is being typed is never redrawn ──
const asks = (element) => element?.matches?.("form[hx-get]"); // a question, which changes nothing
const GUARDED = "form[data-dirty], form[data-busy]";
const turn = (root) => root && one("[data-turn]", root)?.dataset.turn;
addEventListener("input", (e) => { const form = e.target.type !== "search" && e.target.closest?.("form[data-guard]"); if (form) { form.dataset.dirty = ""; keep(form, sealedChosen(form)); } });
addEventListener("change", (e) => { const form = e.target.closest?.("form[data-guard]"); if (form) keep(form, sealedChosen(form)); });
addEventListener("reset", ({ target }) => { drop(target); if (target.matches("form[data-guard]")) { delete target.dataset.dirty; one("[data-notice]", target)?.remove(); } });
addEventListener("input", ({ target }) => { // what is being mended is not called wrong any more; the server looks again
  if (target.getAttribute("aria-invalid") !== "true") return;
  target.removeAttribute("aria-invalid");
  document.getElementById(`${target.id}-wrong`)?.remove();
  const box = one("[data-summary]", target.form), line = box && one(`a[href="#${CSS.escape(target.id)}"]`, box)?.closest("li");
  line?.remove();
  if (box && !one("li", box)) box.remove();
});
addEventListener("htmx:before:swap", (e) => {
  const { ctx, tasks } = e.detail;
  if (ctx?.sourceElement?.matches?.("[data-aside]") && (ctx.response?.status !== 200 // the save itself will say it
    || !ctx.request.action.includes(one("[data-found] :checked")?.value ?? ""))) return e.preventDefault(); // chosen since: the list stays under that hand
  if (asks(ctx?.sourceElement) && ctx.response?.status !== 200) return e.preventDefault(), unsure(ctx.sourceElement);
  if (!live(ctx?.sourceElement)) return;
  stood = rows();
  for (let i = tasks.length - 1; i >= 0; i--) {
    const { target, fragment } = tasks[i];
    if (!target || !one(GUARDED, target)) continue;
    if (target.id === "steps" && turn(fragment) !== turn(target)) one("#steps-note").hidden = false;
    tasks.splice(i, 1);
  }
});
// ── a row that has just moved takes no click for a moment: the hand was on its way to what stood there before ──
const STILL_MS = 350, STILL_MS_MAX = 1_000;
const rows = () => new Map(all("main :is(tr, li)[id]").map((row) => [row.id, { row, top: row.getBoundingClientRect().top }]));
let stood = new Map(); // the rows before the page was redrawn
const moved = new WeakMap(); // row → {timer, since}
const isStill = (row) => row.style.pointerEvents === "none";
function still(row) { // one that moves with every redraw is not held for ever
  const now = performance.now(), was = isStill(row) ? moved.get(row) : null, since = was?.since ?? now;
  if (now - since > STILL_MS_MAX) return;
  clearTimeout(was?.timer);
  row.style.pointerEvents = "none";
  moved.set(row, { since, timer: setTimeout(() => { row.style.pointerEvents = ""; }, STILL_MS) });
}
addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (live(ctx?.sourceElement)) for (const [id, { row, top }] of rows()) if (stood.get(id)?.top !== top) still(row);
});
window.htmx.registerExtension("yidi", { // a form that somebody opened stays open when the page is redrawn, a row that moved stays still
  htmx_before_morph_attr: (element, { attrName }) => !(attrName === "open" && element.matches("details, dialog")) && !(attrName === "style" && isStill(element)),
});
addEventListener("beforeunload", (e) => {
  if (!all("form[data-guard][data-dirty]").some((form) => isAtRisk(form) && !isGoing(form))) return;
  e.preventDefault();
  setTimeout(stayed);
});

// ── the pane beside a list: Enter goes into it, Esc back to the row. One that comes late does not take the cursor from whoever writes elsewhere by then ──
let opener = null;
addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const pane = one("#peek");
  if (ctx?.target !== pane || !ctx.sourceElement?.matches("[data-row]")) return;
  opener = ctx.sourceElement;
  if (typing(document.activeElement)) return;
  pane.focus({ preventScroll: true });
  pane.scrollIntoView({ block: "nearest" });
  pane.scrollTop = 0;
});

// ── sending a form ──
let waiting = null; // the form that was sent when the session had ended, or was another person's
const notice = (form, kind, words) => {
  one("[data-notice]", form)?.remove();
  const box = make("p", { className: kind, textContent: words });
  box.dataset.notice = "";
  box.setAttribute("role", kind === "problem" ? "alert" : "status");
  form.prepend(box);
};
const UNSURE = "没有等到本机程序的回答，不知道存下没有。您写的还在，请再点一次保存，不会存成两份；存好以后再改。存下了的，在“纠纷”里也找得到。";
const AWAY = "没有等到回答，不知道做成没有。就在这一页上再点一次，不会做两遍。";
const AGAIN = "没有等到回答，不知道做成没有。先刷新这一页看看，没有做成再点一次。";
const ASKED = "没有查成，请再试一次；还不行请告诉管理员。";
const ASKS = "还没有记下：写好了，点按钮才算。";
const unsure = (form) => { // nobody knows whether it was saved: the same is sent again under the same command, so it is one
  if (asks(form)) return notice(form, "problem", ASKED);
  if (!form.matches("[data-guard]")) return notice(form, "problem", form.elements.namedItem("command_id") ? AWAY : AGAIN);
  lock(form, true);
  keep(form);
  notice(form, "problem", UNSURE);
};
watch(unsure);
addEventListener("htmx:config:request", ({ detail: { ctx } }) => Object.assign(ctx.request.headers, headers));
const formOf = (e) => {
  const source = e.detail?.ctx?.sourceElement ?? e.target;
  return source?.matches?.("form[data-guard]") ? source : null; // what something in a form asks sends nothing of it
};
addEventListener("htmx:before:request", ({ detail: { ctx: { sourceElement } } }) => { if (asks(sourceElement)) one("[data-notice]", sourceElement)?.remove(); });
addEventListener("htmx:before:request", (e) => { const form = formOf(e); if (form) { form.dataset.busy = ""; one("[data-notice]", form)?.remove(); one("#said")?.replaceChildren(); } });
addEventListener("htmx:after:request", (e) => {
  const form = formOf(e), status = e.detail.ctx?.response?.status;
  if (!form) return;
  delete form.dataset.busy;
  if (status) lock(form, false);
  if (status === 401 || (status === 409 && e.detail.ctx.text?.includes("data-again"))) waiting = form;
  if (status !== 200) return;
  delete form.dataset.dirty;
  drop(form);
  form.reset();
  const note = one("#steps-note");
  if (note) note.hidden = true;
  form.closest("details.step")?.removeAttribute("open");
});
addEventListener("htmx:error", (e) => {
  const form = formOf(e);
  if (form && !e.detail.ctx?.response) unsure(form); // where an answer came, what went wrong later changed nothing
});
const unfold = (form) => { // a redrawn form leaves its folds as they were
  for (const fold of all("details.more", form)) if (one("[aria-invalid=true]", fold) || (fold.closest(".party") && all("input", fold).some((input) => input.value))) fold.open = true;
};
addEventListener("htmx:finally:request", (e) => {
  const form = formOf(e), status = e.detail.ctx?.response?.status;
  if (form) delete form.dataset.busy;
  if (form && form.dataset.unsure !== undefined) setTimeout(() => one("button.main", form)?.focus()); // it is enabled after this
  if (status === 401 && one("#again")?.children.length) one("#again-box").showModal();
  else if (status >= 400 && form) {
    const shown = one(`#${form.id}`) ?? form;
    unfold(shown);
    (one("[aria-invalid=true]", shown) ?? one("[data-summary]", form))?.focus();
  }
});
addEventListener("yidi:signed-in", () => {
  one("#again-box").close();
  one("#again").replaceChildren();
  one("#stale").replaceChildren();
  for (const button of all("[data-again]")) button.closest("[data-notice]").remove();
  if (!waiting?.isConnected) return;
  notice(waiting, "saved", "已登录，请再点一次保存。");
  one("button.main", waiting)?.focus();
});

// ── the stream to this node's own program, in words; the link to the others is said by the server ──
const LASTS_MS = 3000; // most cuts are over before anybody has read of them
let cut = 0;
const line = (isThere) => {
  const place = one("#stale"), next = one("#cut");
  if (place) place.textContent = isThere ? "" : "正在重连…";
  if (!isThere) return (cut ||= setTimeout(() => { if (next) next.hidden = false; }, LASTS_MS));
  clearTimeout(cut);
  cut = 0;
  if (next) next.hidden = true;
};
addEventListener("htmx:sse:after:connection", () => line(true));
addEventListener("htmx:sse:error", (e) => {
  line(e.detail.status === 401 || e.detail.status === 409);
  const why = { 401: "登录已过期，点这里重新登录", 409: "登录的人或岗位已经不是打开这一页时的，点这里重新登录" }[e.detail.status];
  if (why) one("#stale")?.replaceChildren(make("button", { type: "button", className: "plain", textContent: why, onclick: signInAgain }));
});

// ── the form of a new case ──
const sealedChosen = (form) => (form.dataset.sealed ?? "").split(" ").includes(form.elements.type?.value);
addEventListener("change", (e) => {
  if (e.target.matches?.("input[type=file]")) {
    const names = [...e.target.files].map((file) => file.name), said = one(`[data-picked="${e.target.id}"]`);
    if (said) said.textContent = names.length > 2 ? `已选 ${names.length} 个` : names.join("、");
  }
  const form = e.target.closest?.("form[data-sealed]");
  if (form && e.target.name === "type") one("[data-sealed-note]", form).hidden = !sealedChosen(form);
});
addEventListener("submit", (e) => {
  if (!e.target.matches("form[data-sealed]") || !sealedChosen(e.target)) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  one("[data-sealed-note] a", e.target).focus();
}, true);
addEventListener("submit", (e) => { // pressed twice: the second press must not say of the new, empty form that nothing was saved
  if (!e.target.matches("form[data-sealed]") || !one(":scope > .saved", e.target) || e.target.dataset.dirty !== undefined) return;
  e.preventDefault();
  e.stopImmediatePropagation();
}, true);
addEventListener("click", (e) => {
  if (e.target.closest?.("[data-keys]")) one("#keys").showModal();
  if (e.target.closest?.("[data-print]")) print();
  if (e.target.closest?.("[data-again]")) signInAgain();
  const offer = e.target.closest?.("[data-set]");
  if (offer) {
    const field = offer.form.elements[offer.dataset.set];
    field.closest("details")?.setAttribute("open", "");
    field.value = offer.value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
  }
  if (e.target.closest?.("[data-sealed-note] a, [data-kept-note] a, [data-to-seal]")) { const form = e.target.closest("form"); form.reset(); delete form.dataset.dirty; }
  const copy = e.target.closest?.("[data-copy]");
  if (copy) copied(document.getElementById(copy.dataset.copy).textContent).then((done) => { one("[data-copied]").textContent = done ? "已复制，到那台电脑上粘贴。" : "复制不了，请照着输入。"; });
  const add = e.target.closest?.("[data-add-party]");
  if (!add) return;
  const last = all(".party", add.form).at(-1), number = all(".party", add.form).length, more = one("[data-party]", add.form).cloneNode(true);
  for (const input of all("input:not([type=hidden])", more)) {
    const label = one(`label[for="${input.id}"]`, more);
    input.value = "";
    input.removeAttribute("aria-invalid");
    label.htmlFor = input.id = `${input.name}-${number}`;
    if (input.name === "party_name") label.textContent = "还有";
  }
  all(".wrong", more).forEach((said) => said.remove());
  all("details", more).forEach((folded) => folded.removeAttribute("open"));
  delete more.dataset.party;
  last.after(more);
  one("input", more).focus();
});
let unfolded = []; // on paper nothing can be opened
addEventListener("beforeprint", () => { unfolded = all("main details:not([open])"); for (const fold of unfolded) fold.open = true; });
addEventListener("afterprint", () => { for (const fold of unfolded) fold.open = false; });
addEventListener("click", (e) => { // a menu closes when one looks elsewhere
  for (const menu of all("details.who[open]")) if (!menu.contains(e.target)) menu.removeAttribute("open");
});

// ── keys ──
const typing = (element) => element?.matches?.("input:not([type=radio], [type=checkbox], [type=button]), textarea, select");
const toggle = (dialog) => (dialog.open ? dialog.close() : dialog.showModal());
const step = (by) => {
  const here = document.activeElement, rows = all("[data-row]"), at = rows.findIndex((row) => row === here || row.closest("tr")?.contains(here));
  rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
};
addEventListener("keydown", (e) => {
  if (e.isComposing || e.keyCode === 229 || e.defaultPrevented) return; // the input method has the keys
  const take = (act) => { e.preventDefault(); act(); };
  if (e.key === "F1") return take(() => toggle(one("#keys")));
  if (e.key === "F2") return take(() => { const first = one("[data-first]"); first?.closest("details")?.setAttribute("open", ""); if (first) first.focus(); else if (one("[data-search]")) location.href = "/cases/new"; });
  if (e.key === "Enter" && e.target.matches?.("[data-asks] input")) return take(() => notice(e.target.form, "note", ASKS)); // neither of two answers is the usual one
  const looks = e.key === "Enter" && e.target.matches?.(".find input") && one("[name=look]", e.target.form); // in any other field Enter shows the plan
  if (looks) return take(() => looks.click());
  if (e.ctrlKey && e.key === "Enter" && e.target.form) return take(() => e.target.form.requestSubmit());
  const folded = e.altKey && e.key === "ArrowDown" && one("details", e.target.closest?.(".party") ?? document.createElement("p"));
  if (folded) return take(() => { folded.open = true; one("input", folded).focus(); });
  if (e.key === "Escape" && e.target.closest?.("#peek") && opener?.isConnected && !one("dialog[open]")) return opener.focus();
  if (e.key === "Escape" && typing(e.target) && !one("dialog[open]")) return e.target.blur();
  if (typing(e.target) || e.ctrlKey || e.altKey || e.metaKey || one("dialog[open]")) return;
  const way = { n: "next", p: "prev" }[e.key.toLowerCase()];
  const turned = way && !e.target.closest?.("form[data-guard]") && one(`[${e.shiftKey ? "data-far" : "rel"}=${way}]`); // what is being filled in stays
  if (turned) take(() => turned.click());
  else if (e.key === "/") take(() => one("[data-search]")?.select());
  else if ((e.key === "ArrowDown" || e.key === "ArrowUp") && one("[data-row]")) take(() => step(e.key === "ArrowDown" ? 1 : -1));
});

// ── drafts: kept by the node at each pause ──
onKept((form, state, words, to) => {
  let place = one("[data-kept-note]", form);
  if (!words) return place?.remove();
  if (!place) {
    place = make("p", { className: "soft kept" });
    place.dataset.keptNote = "";
    (all("button.main", form).at(-1) ?? form.lastElementChild).after(place);
  }
  place.classList.toggle("wrong", state !== "kept");
  place.textContent = words;
  if (to) place.append(make("a", { href: to, textContent: "改为密封" }));
  if (state === "expired") place.append(make("button", { type: "button", className: "plain", textContent: "重新登录", onclick: signInAgain }));
});
async function signInAgain() {
  const answer = await fetch("/sign-in", { headers: { "HX-Request": "true" } });
  one("#again").innerHTML = await answer.text();
  window.htmx.process(one("#again"));
  one("#again-box").showModal();
}
const back = (form, state, draft) => {
  if (state === "unsure") return notice(form, "problem", UNSURE);
  const said = one("#said"); // the steps of a case are redrawn at any moment, this place is not
  if (state === "saved" && said) {
    said.replaceChildren(make("p", { className: "saved", textContent: "刚才那一份已经存好了。" }));
    said.firstChild.dataset.notice = "";
    return;
  }
  if (state === "saved") {
    notice(form, "saved", "刚才那一份已经存好了。");
    if (draft.case) one("[data-notice]", form).append(make("a", { href: `/cases/${draft.case}`, textContent: "打开看看" }));
    return;
  }
  const again = all("[data-wants] .name", form).map((name) => name.textContent).join("、");
  notice(form, "note", `上次没写完的还在，检查后请保存。${again && `要再选：${again}。`}`);
  one("[data-notice]", form).append(make("button", { type: "reset", className: "plain", textContent: "不要了，清空" }));
};
bringBack(document, back);
for (const name of ["yidi:signed-in", "htmx:sse:after:connection"]) addEventListener(name, () => bringBack(document, back)); // asked for in vain before
addEventListener("yidi:signed-in", () => all("form[data-guard][data-dirty]").forEach((form) => keep(form, sealedChosen(form))));
addEventListener("htmx:after:swap", ({ detail: { ctx } }) => { if (ctx?.target?.isConnected && !live(ctx.sourceElement)) bringBack(ctx.target, back); });

// htmx wires a page in a timer, and a browser lets keys and clicks pass before timers: what is sent by then goes out as it does without scripts
window.htmx.process(one("main"));
