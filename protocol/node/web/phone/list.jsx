// The list: what is new, today's way, later, what is done and waits to be sent, what is done. Each visit stands in it once.
import { allowed, Ask, pushed } from "./asking.jsx";
import { ask, away, cleared, drafts, foreign, halves, left, lies, me, notice, now, sayings, shown, signed, signOut } from "./state.js";
import { Due, isOver, moment, Offline, Sent, SignIn, Status, Tag, useSteady } from "./parts.jsx";
import { Room } from "./room.jsx";
import { route } from "./today.js";

const isToday = (ms) => new Date(ms).toDateString() === new Date(now()).toDateString();
const Card = ({ t, n }) => <li><a class="card" href={`#${t.id}`}>
  <span class="tags"><Status t={t} /><Due t={t} />{t.nearby && <Tag>顺路，不急</Tag>}</span><strong>{n ? `${n}. ` : ""}{t.purpose}</strong><span>{t.place}{t.address && `，${t.address}`}</span>{t.due_at && <span class="soft">{isToday(t.due_ms) ? moment(t.due_ms) : t.due_at}前</span>}</a></li>;
const Cards = ({ some }) => <ul class="tasks">{some.map((t) => <Card key={t.id} t={t} />)}</ul>;

function Today({ places }) {
  let n = 0;
  const count = places.reduce((sum, { visits }) => sum + visits.length, 0);
  return <section><h2>今天要去（{count}）</h2>{count > 1 && <p class="soft hint">按期限先后，同一个地方排在一起。手机里没有各处的坐标，不算路远近。</p>}
    {places.map(({ place, visits }) => <div key={place} class="stop">{places.length > 1 && <h3>{place}</h3>}<ul class="tasks">{visits.map((t) => <Card key={t.id} t={t} n={count > 1 ? (n += 1) : 0} />)}</ul></div>)}</section>;
}

/** The shell comes anew in the other language, and the worker keeps that one: without a network nothing would come. */
const speak = async (language) => {
  const told = await fetch("/language", { method: "POST", body: new URLSearchParams({ language }) }).catch(() => null);
  if (!told?.ok) { notice.value = "现在没有信号，换不了语言。"; return; }
  location.assign(`/task?language=${language}${location.hash}`);
};
const Language = () => <p class="owner" role="group" aria-label="语言"><span>语言</span>{[["zh", "中文"], ["en", "English"]].map(([code, name]) => {
  const spoken = document.documentElement.lang.startsWith(code);
  return <button key={code} lang={code} class="plain" aria-pressed={spoken} onClick={() => speak(code)}>{name}{spoken && " ✓"}</button>;
})}</p>;

export function List() {
  const isBack = (t) => (t.news === "recalled" || isOver(t)) && t.waits.some((a) => a.refused), back = shown.value.filter(isBack), others = shown.value.filter((t) => !isBack(t));
  const gone = others.filter((t) => t.news === "recalled"), rest = others.filter((t) => t.news !== "recalled");
  const doing = rest.filter((t) => t.open || t.waits.length), done = rest.filter((t) => !t.open && !t.waits.length);
  const over = doing.filter(isOver), { today, later } = route(doing.filter((t) => !isOver(t)), now());
  const unsent = lies(left.value + foreign.value, drafts.value.length, sayings.value.length);
  const steady = useSteady();
  return <main class="phone" id="main" ref={steady}><h1>我的任务</h1><Sent /><Offline />
    {signed.value === "out" && <section class="card"><p>{me.value ? "登录过期了。写的、拍的都还在手机里，一条也没有丢。" : "请登录后收任务。"}{unsent && <strong>{`手机里还有 ${unsent}，登录后接着办。`}</strong>}</p>
      <SignIn>登录</SignIn></section>}
    {signed.value !== "out" && foreign.value > 0 && <p class="note">手机里还有别人没有发出的 {foreign.value} 条，等本人登录后发出。</p>}
    {signed.value !== "out" && drafts.value.length > halves.value.length && <p class="note">手机里还有别人没写完的反馈 {drafts.value.length - halves.value.length} 份，等本人登录后接着写。</p>}
    {cleared.value && <section class="problem" role="alert"><p><strong>这台手机里存的内容被清掉过（{cleared.value}发现）。</strong>那时还没有发出的步骤、照片没有了，已经发出的都在。请看看每项任务的“进展”，缺的补做一次；派单的人也看得到这条提醒。</p>
      <button onClick={async () => { if ((await ask("/task/cleared", { method: "POST" }))?.ok) cleared.value = ""; }}>知道了</button></section>}
    {away.value && signed.value === "in" && <p class="problem" role="alert">{away.value}</p>}
    <Room />
    {back.length > 0 && <section><h2>被退回的，请您看一下</h2><Cards some={back} /></section>}
    {gone.length > 0 && <section><h2>刚撤回，不用去了</h2><Cards some={gone} /></section>}
    {today.length > 0 && <Today places={today} />}
    {later.length > 0 && <section><h2>{today.length ? "以后" : "要办的"}</h2><Cards some={later} /></section>}
    {over.length > 0 && <section><h2>办完的，等发送</h2><Cards some={over} /></section>}
    {me.value && !away.value && !doing.length && !gone.length && !back.length && <p class="empty">现在没有要办的任务。派给您的任务会出现在这里。</p>}
    {done.length > 0 && <section><h2>办过的</h2><Cards some={done} /></section>}
    {me.value && shown.value.some((t) => t.open) && allowed.value === "ask" && <Ask />}
    {me.value && <p class="owner">{me.value.name}　{me.value.office}<button class="plain" onClick={signOut}>退出登录</button></p>}
    <p><a class="button" href="#help">怎么用</a></p>
    <Language />
    {me.value && <p class="soft">提醒：{allowed.value === "on" ? "已打开。" : "没有打开。"}{pushed.value ? "页面关着时也提醒，经过浏览器厂商的推送服务，不写姓名和事情。手机没有信号时收不到。" : "只有这个页面开着（放在后台也算）才收得到新任务和提醒；页面关掉以后，请自己常打开看看。"}</p>}
  </main>;
}
