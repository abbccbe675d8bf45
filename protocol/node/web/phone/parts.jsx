// Small pieces that several screens show.
import { useLayoutEffect, useRef } from "preact/hooks";
import { call } from "../islands/_send.js";
import { flow, halves, heard, isOffline, left, lies, me, mine, notice, now, share, signed, unsaid } from "./state.js";
import { isHeldUp, isUnsent } from "./outbox.js";

const SOON_MS = 86_400_000, STILL_MS = 350; // longer than a second tap of a double one, shorter than a thought
/** It takes no tap for a moment: the finger was on its way to what stood in that place before. Returns what forgets it. */
function hold({ style }) {
  const timer = setTimeout(() => { style.pointerEvents = ""; }, STILL_MS);
  style.pointerEvents = "none";
  return () => clearTimeout(timer);
}
/** A ref to what is held when it is drawn and when `told` has changed. */
export function useStill(told) {
  const ref = useRef();
  useLayoutEffect(() => hold(ref.current), [told]);
  return ref;
}
/** A ref to a screen that is held when it is drawn, and when what is tapped on it comes, goes or is pushed by whatever stands above: a lost signal, a notice, a line that wraps. */
export function useSteady() {
  const ref = useRef();
  useLayoutEffect(() => {
    const screen = ref.current, places = () => [screen.offsetHeight, ...[...screen.querySelectorAll("a, button")].map((e) => [e.getAttribute("href") ?? e.textContent, e.offsetTop, e.offsetLeft])].join();
    let before = places(), forget = hold(screen);
    const watch = new MutationObserver(() => { // before the next tap is heard
      const now = places();
      if (now !== before) { forget(); forget = hold(screen); }
      before = now;
    });
    watch.observe(screen, { childList: true, subtree: true, characterData: true });
    return () => { watch.disconnect(); forget(); };
  }, []);
  return ref;
}
/** The one next step, at the thumb. It stands where the last one stood, or where a card was tapped: whoever taps twice has taken one. */
export function Main({ step, onClick }) {
  const still = useStill(step.kind);
  return <div class="foot"><button class="main" ref={still} onClick={onClick}>{step.label}</button></div>;
}
export const Tag = ({ tone, children }) => <span class={`tag ${tone ?? ""}`}>{children}</span>;
export const isOver = (t) => ["reported", "declined", "recalled"].includes(t.status);
export const Due = ({ t }) => {
  if (!t.due_ms || isOver(t)) return null;
  const rest = t.due_ms - now();
  return rest < 0 ? <Tag tone="late">已超期</Tag> : rest < SOON_MS ? <Tag tone="soon">24 小时内到期</Tag> : null;
};
/** What of a visit lies here, refused steps first: they wait for him, and others for them. */
function Waits({ some }) {
  const back = some.filter((a) => a.refused).length, held = some.filter((a) => !a.refused && isHeldUp(a, mine.value)).length;
  return <>{back > 0 && <Tag tone="late">{`${back} 条被退回`}</Tag>}{held > 0 && <Tag tone="soon">{`${held} 条等着它`}</Tag>}{some.length > back + held && <Tag tone="soon">存在手机，待发送</Tag>}</>;
}
const NEWS = { new: "新派来的", changed: "有变化", recalled: "刚撤回" };
export const Status = ({ t }) => <>
  {t.news && <Tag tone="soon">{NEWS[t.news]}</Tag>}<Tag tone={t.status === "reported" ? "good" : t.status === "recalled" ? "" : "act"}>{flow.value.names[t.status] ?? t.status}</Tag>
  <Waits some={t.waits} /></>;

export const moment = (ms) => {
  const d = new Date(ms), two = (n) => String(n).padStart(2, "0"), time = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return d.toDateString() === new Date(now()).toDateString() ? `今天 ${time}` : `${d.getMonth() + 1}月${d.getDate()}日 ${time}`;
};

/** It waits for room at the node, not for a signal. */
export const isHeld = (a) => isUnsent(a) && !a.refused && a.held != null;
/** Behind what the node said of itself: without a signal nobody knows whether it is still so. */
export const asOf = () => (isOffline.value ? "（上次联系上时）" : "");
/** steps: how many wait; all, typed: what lies here in words, with and without them. */
const expired = (steps, all, typed) => (typed ? (steps ? `登录过期了，${all}，登录后接着办` : `登录过期了，${typed}，登录后接着写`) : steps ? `登录过期了，${steps} 条存在手机，登录后接着发` : "登录过期了，重新登录后收新任务");
/** One line about all that was done: it stands on every screen, and opens the page of what was sent. */
const words = () => {
  const half = [halves.value.length, unsaid.value.length], typed = lies(0, ...half);
  if (signed.value === "out") return me.value ? expired(left.value, lies(left.value, ...half), typed) : "还没有登录";
  const going = share.value && mine.value.find((a) => a.id === share.value.id && isUnsent(a));
  const back = mine.value.filter((a) => a.refused).length, held = mine.value.filter((a) => isUnsent(a) && !a.refused && isHeldUp(a, mine.value)).length, free = left.value - held;
  const rest = free && `${free} 条待发送，${going ? `${going.label}已传 ${Math.floor(share.value.share * 100)}%` : mine.value.filter(isHeld).length === free ? "中心的机器现在收不下" + asOf() : "有信号时自动发出"}`;
  if (back || rest) return [back && `${back} 条被退回，要您看一下`, held && `${held} 条等着它`, rest].filter(Boolean).join("；");
  return mine.value.length ? "已送达，正等另一台机器也存好" : typed ? `做完的都已送达，${typed}` : "全部已送达";
};
export const Sent = ({ link = true }) => <div class="sent-line"><p class="state" role="status">{words()}</p>
  {link && me.value && <a class="button small" href="#queue">发送情况</a>}</div>;
/** What the last tap came to, in sight wherever the screen is scrolled to; it stays until it is read or the next step is done. */
export const Notice = () => <div class="notice" role="status">{notice.value && <p><span>{notice.value}</span><button type="button" onClick={() => { notice.value = ""; }}>知道了</button></p>}</div>;
/** Without an answer the browser would put a page of its own in place of the app. */
async function toSignIn(e) {
  const { href } = e.currentTarget;
  e.preventDefault();
  notice.value = "正在打开登录页…";
  const got = !isOffline.value && await call("/task/mine", "GET");
  notice.value = got ? "" : "连不上，现在登录不了。写的、拍的都在手机里；有信号时再点一次登录。";
  if (got) location.assign(href);
}
export const SignIn = ({ children }) => <p><a class="button main" href="/sign-in?next=/task" onClick={toSignIn}>{children}</a></p>;
const without = () => (signed.value !== "out" ? "现在没有信号。任务和写的都在手机里，照常办；有信号时自动发出。" : me.value ? "现在没有信号。任务和写的都在手机里，照常办；有信号时请登录，登录后接着发。" : "现在没有信号，有信号时才能登录。");
export const Offline = () => isOffline.value && <p class="calm">{without()}{heard.value > 0 && `上次联系上：${moment(heard.value)}。`}</p>;
