// Whether the phone may tell of new tasks: asked once, in words, when the cadre has taken a task; the browser's own question comes after his yes.
import { signal } from "@preact/signals";
import { db } from "./outbox.js";
import { permission } from "./news.js";
import { canPush, enlist } from "./push.js";
import { flow } from "./state.js";

export const allowed = signal("no"); // ask, on, no
export const pushed = signal(false); // told also while the page is closed
let enlisted = "";
export const lookUp = async () => { allowed.value = permission() === "ask" && await (await db).get("state", "asked") ? "no" : permission(); };
/** Once for each person and key: the node knows for whom it knocks at this phone. "": he signed out, the next time is another. */
export async function keepTold(person) {
  if (!person) { enlisted = ""; pushed.value = false; }
  const key = flow.value.push, now = `${person} ${key}`;
  if (!person || allowed.value !== "on" || !canPush(key) || enlisted === now) return;
  enlisted = now;
  pushed.value = await enlist(key);
}
async function answered(yes) {
  await (await db).put("state", true, "asked").catch(() => 0);
  if (yes) await Notification.requestPermission().catch(() => 0);
  await lookUp();
}
export const Ask = () => <section class="card"><h2>来了新任务，要手机提醒吗？</h2><p class="soft">提醒里不写姓名和事情。{canPush(flow.value.push) ? "页面关着也能提醒：经过浏览器厂商的推送服务，它只知道这台手机有新消息。" : "只在这个页面开着时有用（放在后台也算）；关掉以后内网收不到推送。"}</p>
  <div class="two"><button onClick={() => answered(true)}>打开提醒</button><button onClick={() => answered(false)}>不用</button></div></section>;
