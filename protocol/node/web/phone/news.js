// What is new for the cadre: told in the page, on the badge of the icon, and by the phone where he allowed it.
//
// With the app closed the phone hears of it where its node may use a push service (push.js); an intranet phone hears nothing. The page says so
// and asks the server while it is open, also in the background, as long as the phone lets it. A notification names no person and no matter: it
// may lie on a table.
export const WORDS = { new: "派来一项新任务", recalled: "有一项任务撤回了，不用去了", changed: "有一项任务有变化", some: "您的任务有新消息", open: "点开看。", by: "{0}前。点开看。" };

/** What of a visit the cadre has to know about; a step of his own changes nothing of it. */
export const looks = (t) => JSON.stringify([t.status === "recalled", t.due_ms, t.place, t.address, t.bring, t.summary, t.purpose, t.urges.length, t.told?.filter((x) => !x.mine).length ?? 0]);
/** "new", "recalled", "changed" or "": what he has not seen yet. before: looks() of what he saw; "": it is known to this phone, and he has not opened it. */
export function changeOf(before, t) {
  if (!before && t.open) return t.status === "sent" ? "new" : "";
  if (before === undefined || before === looks(t)) return "";
  return t.status === "recalled" ? "recalled" : t.open ? "changed" : "";
}
/** seen with the visits that it does not know yet: those to be taken up are news, all others are as they are. */
export const known = (seen, tasks) => ({ ...Object.fromEntries(tasks.map((t) => [t.id, t.status === "sent" ? "" : looks(t)])), ...seen });

/** before: the visits as they stood here, null where nothing can be compared. count: how many he has not looked at. */
export async function announce(before, now, count) {
  badge(count);
  if (!before || typeof Notification === "undefined" || Notification.permission !== "granted") return;
  for (const t of now) {
    const was = before.find((x) => x.id === t.id), what = was ? changeOf(looks(was), t) : changeOf(undefined, t);
    if (what) await tell(WORDS[what], t);
  }
}
/** What stands below the words. t: null where nobody knows which. */
export const about = (t, words = WORDS) => ({ body: t?.due_at && t.open ? words.by.replace("{0}", t.due_at) : words.open, tag: t?.id ?? "some", icon: "/task/icon-192.png", data: { task: t?.id ?? "" } });
async function tell(words, t) {
  const worker = await navigator.serviceWorker?.ready;
  try { await worker.showNotification(words, about(t)); } catch { try { new Notification(words, about(t)); } catch { /* this phone has none: the page says it */ } }
}
function badge(count) { (count ? navigator.setAppBadge?.(count) : navigator.clearAppBadge?.())?.catch(() => 0); }

/** "ask": it may be asked for, once · "on" · "no": refused, or this browser has none. */
export const permission = () => (typeof Notification === "undefined" ? "no" : { default: "ask", granted: "on", denied: "no" }[Notification.permission]);
