// A pane that somebody asked for: after a second it says that it waits, after ten one may stop. Where no answer came, or a fault, it says so and can be
// asked again; what stood in it stays. It waits for what was asked last alone. Where the cursor was in these words it goes back to what was pressed.
import { make } from "./_make.js";
import { SAID_MS, STOP_MS } from "./_saving.js";

const last = new WeakMap(); // pane → what was asked for it last: ctx of htmx, with box: where it is said, and timers: while it is waited for

function over(ctx) {
  const { box, sourceElement: source } = ctx;
  ctx.timers?.forEach(clearTimeout);
  ctx.timers = null;
  source.removeAttribute("aria-busy"); // it is not the pane that is busy: of such a one nothing is read out
  if (box.contains(document.activeElement)) source.focus({ preventScroll: true });
  box.remove();
}

function say({ box, target }, kind, words, button, onclick) {
  box.className = kind;
  box.setAttribute("role", kind === "note" ? "status" : "alert");
  if (!box.isConnected) { target.prepend(box); box.scrollIntoView({ block: "nearest" }); }
  box.replaceChildren(words, button ? make("button", { type: "button", className: "plain", textContent: button, onclick }) : "");
}

function fail(ctx) {
  const source = ctx.sourceElement;
  over(ctx);
  say(ctx, "problem", "没有打开，请再试一次；还不行请告诉管理员。", "再试一次", () => {
    source.href ? source.click() : source.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

addEventListener("htmx:config:request", (e) => {
  const { ctx } = e.detail, { sourceElement: source, target } = ctx, before = last.get(target);
  if (!source.matches("a[hx-get], select[hx-get]")) return;
  if (before?.timers && before.sourceElement === source && source.href) return e.preventDefault(); // pressed twice
  if (before) {
    over(before);
    before.request.abort();
  }
  last.set(target, ctx);
  ctx.box = make("p");
  ctx.timers = [setTimeout(() => { source.setAttribute("aria-busy", true); say(ctx, "note", "正在打开…"); }, SAID_MS),
    setTimeout(() => say(ctx, "note", "还没有回答。", "不等了", () => ctx.request.abort()), STOP_MS)];
});
addEventListener("htmx:before:swap", (e) => {
  const { ctx } = e.detail;
  if (!ctx?.timers) return;
  if (ctx.response.status < 500) return over(ctx);
  e.preventDefault();
  fail(ctx);
});
addEventListener("htmx:error", ({ detail: { ctx } }) => { if (ctx?.timers) fail(ctx); });
addEventListener("htmx:finally:request", ({ detail: { ctx } }) => { if (ctx?.timers) over(ctx); });
