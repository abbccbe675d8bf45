// The knock at a phone whose page is closed: an empty push by the service of the browser's maker, where the node allows it.
import { db } from "./outbox.js";
import { WORDS } from "./news.js";

const keyOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const same = (a, b) => a && a.byteLength === b.byteLength && new Uint8Array(a).every((byte, n) => byte === b[n]);
const tell = (endpoint, on) => fetch("/task/push", { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams({ endpoint, on }) }).catch(() => null);
const manager = async () => (await navigator.serviceWorker?.getRegistration("/task"))?.pushManager;

export const canPush = (key) => Boolean(key) && "PushManager" in window;
/** Whether this phone is knocked at from now on. key: the node's; another node's subscription is given up. */
export async function enlist(key) {
  try {
    await navigator.serviceWorker.ready;
    const asked = { userVisibleOnly: true, applicationServerKey: keyOf(key) }, by = await manager();
    let mine = await by.getSubscription();
    if (mine && !same(mine.options.applicationServerKey, asked.applicationServerKey)) { await mine.unsubscribe(); mine = null; }
    mine ??= await by.subscribe(asked);
    await (await db).put("state", WORDS, "words"); // in the language of the page: the worker has none
    return Boolean((await tell(mine.endpoint, "1"))?.ok);
  } catch { return false; } // no such service can be reached, or the phone does not allow it: the page says so
}
/** Before somebody signs out: nobody is knocked at for him any more. Where the node hears nothing of it (the session has ended), the service tells it at the next knock. */
export async function withdraw() {
  const mine = await (await manager())?.getSubscription().catch(() => null);
  if (!mine) return;
  await tell(mine.endpoint, "");
  await mine.unsubscribe().catch(() => false);
}
