// The cadre's page: what the server said + what still waits on the phone. One task a screen, one main button at the thumb.
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { effect } from "@preact/signals";
import { allowed, keepTold, lookUp } from "./asking.jsx";
import { Help } from "./help.jsx";
import { List } from "./list.jsx";
import { claimOld } from "./drafts.js";
import { db, sealOld } from "./outbox.js";
import { Notice } from "./parts.jsx";
import { Queue } from "./queue.jsx";
import { isShort, measure, persist } from "./room.jsx";
import { door, flow, go, isOffline, lastKnown, me, notice, open, outbox, place, refresh, saw, show, shown, signed, tasks } from "./state.js";
import { Visit } from "./visit.jsx";
import "./phone.css";

const MEASURE_MS = 1_000, INSTALL_MS_MAX = 300_000;

const App = () => {
  const t = shown.value.find((x) => x.id === open.value);
  useEffect(() => { if (t?.news) saw(tasks.value.find((x) => x.id === t.id)); }, [t?.id, t?.news]);
  return <>
    {open.value === "queue" ? <Queue /> : open.value === "help" ? <Help /> : t ? <Visit key={`${t.id} ${me.value.person}`} t={t} /> : <List />}
    <Notice />
  </>;
};

const look = () => { const was = open.value; open.value = location.hash.slice(1); if (was !== open.value) scrollTo(0, 0); };
/** Why nothing can be kept here, in words; "" when all is well. The worker, locks, ids, camera and position exist only over HTTPS. */
async function hindrance() {
  if (!isSecureContext || !navigator.locks) return "请用 https 开头的地址打开，并换用较新的浏览器，否则没有信号时存不下您做的事。";
  return db.then(() => "", () => "这个浏览器不让存东西（可能开了无痕模式），没有信号时会丢。请换普通模式再打开。");
}
/** Lays down what opens the app without a signal: over a line that breaks off again and again, until it is whole. */
async function install(pause_ms = 5_000) {
  const got = await navigator.serviceWorker?.register("/task/sw.js", { scope: "/task" /* wider than its folder: the server says Service-Worker-Allowed */ }).catch(() => null);
  if (got !== undefined && !got?.active) setTimeout(install, pause_ms, Math.min(pause_ms * 2, INSTALL_MS_MAX));
}
const why = await hindrance();
if (why) { render(<main class="phone" id="main"><h1>我的任务</h1><p class="problem" role="alert">{why}</p></main>, document.getElementById("app")); throw new Error(why); }
look();
addEventListener("popstate", () => { look(); notice.value = ""; door.value = ""; place.value = null; }); // also when a link to # was tapped
await sealOld().catch(() => 0);
await claimOld().catch(() => 0);
await show(await lastKnown());
render(<App />, document.getElementById("app"));
refresh();
lookUp();
effect(() => { if (signed.value === "out") keepTold(""); else if (signed.value === "in" && allowed.value === "on" && flow.value.push) keepTold(me.value?.person); });
navigator.serviceWorker?.addEventListener("message", ({ data }) => { // of the worker: somebody knocked, or a notification was tapped
  if (data?.open && tasks.value.some((t) => t.id === data.open)) go(data.open);
  refresh();
});
setTimeout(measure, MEASURE_MS); // not before the screen is there
outbox.subscribe((now) => { if (isShort.value && !now.length) measure(); });
const line = () => { isOffline.value = !navigator.onLine; };
line();
addEventListener("offline", line);
addEventListener("online", () => { line(); refresh(); });
document.addEventListener("visibilitychange", () => document.hidden || refresh());
install();
persist();
