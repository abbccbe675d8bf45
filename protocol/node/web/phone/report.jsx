// The report of a visit: result, words, photos, a voice note, signatures. Every change is kept as a draft, so a phone that dies loses nothing.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import SignaturePad from "signature_pad";
import { fileOf, leaveReport, reportOf } from "./making.js";
import { Main } from "./parts.jsx";
import { encoded, taken } from "./photo.js";
import { FilesRoom, measure } from "./room.jsx";
import { act, notice, open } from "./state.js";
import { Heard, Recorder, VOICES_MAX } from "./voice.jsx";

const PHOTOS_MAX = 9, SIGNATURES_MAX = 6;
const FULL = "手机存不下这个了。写的文字都在，可以先发；请删掉不用的照片、视频或应用再拍。";

const PAPER = "#ffffff", INK_MARGIN_PX = 12, INK_SCALE = 2;
/** Strokes as they are, moved and then made larger or smaller. */
const moved = (strokes, left, top, scale) => strokes.map((s) => ({ ...s, points: s.points.map((p) => ({ ...p, x: (p.x - left) * scale, y: (p.y - top) * scale })) }));
/** Those that a screen turned upright would cut are made narrower. */
const fitted = (strokes, width) => { const right = Math.max(0, ...strokes.flatMap((s) => s.points.map((p) => p.x))); return right > width ? moved(strokes, 0, 0, width / right) : strokes; };
/** A PNG of all strokes, however wide the screen is now, or whether it is still there. */
async function inkOf(strokes) {
  const points = strokes.flatMap((s) => s.points), c = document.createElement("canvas");
  const [left, right] = [Math.min, Math.max].map((of) => of(...points.map((p) => p.x))), [top, bottom] = [Math.min, Math.max].map((of) => of(...points.map((p) => p.y)));
  c.width = (right - left + 2 * INK_MARGIN_PX) * INK_SCALE; c.height = (bottom - top + 2 * INK_MARGIN_PX) * INK_SCALE;
  c.getContext("2d").scale(INK_SCALE, INK_SCALE);
  new SignaturePad(c, { backgroundColor: PAPER }).fromData(moved(strokes, left - INK_MARGIN_PX, top - INK_MARGIN_PX, 1));
  return (await encoded(c, "image/png")).arrayBuffer();
}

function Thumb({ bytes, mime, words, onDrop }) {
  const url = useSignal("");
  useEffect(() => { const made = URL.createObjectURL(new Blob([bytes], { type: mime })); url.value = made; return () => URL.revokeObjectURL(made); }, [bytes]);
  return <li>{url.value ? <img src={url.value} alt={words} /> : <span class="blank" />}<button type="button" aria-label={`去掉${words}`} onClick={onDrop}>去掉</button></li>;
}

/** Where a photo will stand that is still being made: nothing moves under the thumb when it comes. */
const Coming = () => <li aria-hidden="true"><span class="blank" /><button type="button" disabled>去掉</button></li>;

/** Pixels, not SVG: whoever opens it later must never open a document that could carry a script. */
function Sign({ pad, strokes, onStroke }) {
  const canvas = useRef(), drawn = useRef(new WeakSet([strokes])); // what came from this pad, or was given to it: a hand that goes on is not disturbed
  useEffect(() => {
    const c = canvas.current, look = getComputedStyle(c);
    const lay = () => {
      const k = devicePixelRatio || 1, kept = pad.current?.toData() ?? strokes;
      pad.current?.off();
      c.width = c.offsetWidth * k; c.height = c.offsetHeight * k; c.getContext("2d").scale(k, k); // else the strokes blur
      pad.current = new SignaturePad(c, { penColor: look.color, backgroundColor: look.backgroundColor });
      if (kept?.length) pad.current.fromData(fitted(kept, c.offsetWidth));
      pad.current.addEventListener("endStroke", () => { const all = [...pad.current.toData()]; drawn.current.add(all); onStroke(all); });
    };
    lay();
    addEventListener("resize", lay);
    return () => { removeEventListener("resize", lay); pad.current.off(); pad.current = null; };
  }, []);
  useEffect(() => { // another tab has signed, or begun anew
    if (drawn.current.has(strokes)) return;
    drawn.current.add(strokes);
    pad.current.fromData(fitted(strokes, canvas.current.offsetWidth));
  }, [strokes]);
  return <canvas ref={canvas} role="img" aria-labelledby="sign-label" />;
}

/** Off at every visit until the cadre turns it on for it. */
const KeepsPosition = ({ on }) => <label class="answer"><input type="checkbox" checked={on.value} onChange={(e) => { on.value = e.target.checked; }} /><span>照片里留着拍摄位置<span class="soft">{on.value ? "（相机写了才有）" : "（现在不留）"}</span></span></label>;

export function Report({ t, person, results, step }) {
  const report = useRef(null), pad = useRef(null), wrong = useSignal(""), keepsPosition = useSignal(false), recording = useRef(null);
  const r = (report.current ??= reportOf(t.id, person)), { draft, keep } = r;
  useEffect(() => () => leaveReport(t.id, person, false), []);
  if (!draft.value) return null;
  const d = draft.value, of = (what) => draft.value.files.filter((f) => f.what === what), photos = of("photo"), signatures = of("signature"), voices = of("voice");

  /** true when it lies on the disk. */
  const add = async (what, bytes, mime, name) => {
    try { return await r.add(what, bytes, mime, name); } catch { notice.value = FULL; return false; } finally { measure(); }
  };
  const remove = (file) => r.remove(file).then(measure);
  /** true when it lies on the disk. */
  const addPhoto = async (file) => {
    const count = of("photo").length;
    if (count >= PHOTOS_MAX) { notice.value = `最多 ${PHOTOS_MAX} 张照片。`; return false; }
    const small = await taken(file, keepsPosition.value).catch(() => null);
    if (!small) { notice.value = `这张照片打不开：${file.name}`; return false; }
    if (small.where === "none") notice.value = "这张照片里没有位置（相机没有写）。";
    return add("photo", small.bytes, "image/jpeg", `照片${count + 1}`);
  };
  /** true when all lie on the disk. */
  const addPhotos = async (files) => {
    let all = true;
    for (const file of files) if (!await addPhoto(file)) { all = false; r.coming.value -= 1; }
    return all;
  };
  const picked = (e) => { const files = [...e.target.files]; e.target.value = ""; r.coming.value += files.length; r.work(() => addPhotos(files)); };
  const nextSigner = async () => {
    const { strokes } = draft.value;
    if (!strokes.length) { notice.value = "签名板还是空的。"; return false; }
    if (!await add("signature", await inkOf(strokes), "image/png", `签名${of("signature").length + 1}`)) return false;
    await keep({ strokes: [] });
    pad.current?.clear();
    return true;
  };
  const send = async () => {
    if (r.isSending) return; // a thumb that taps twice
    if (!d.result) { wrong.value = "result"; document.getElementById("result-0").focus(); return; }
    if (!d.words.trim()) { wrong.value = "words"; document.getElementById("words").focus(); return; }
    wrong.value = "";
    r.isSending = true;
    try { if (await isAllMade()) await hand(); } finally { r.isSending = false; }
  };
  /** Waits for what is still being made; false when some of it did not come to lie on the disk: why stands on the screen, and the cadre decides. */
  const isAllMade = async () => {
    recording.current?.();
    if (r.count.value) notice.value = "照片、录音还在处理，好了就提交。";
    return r.settled();
  };
  /** Also when he has left the screen meanwhile, or signed out: it is his all the same. */
  const hand = async () => {
    const { result, words, strokes, files: lying } = await r.whole(), count = (what) => lying.filter((f) => f.what === what).length;
    const last = strokes.length ? [await fileOf(t.id, "signature", await inkOf(strokes), "image/png", `签名${count("signature") + 1}`)] : [];
    const id = crypto.randomUUID(), files = [...lying, ...last].map((f) => ({ ...f, of: id }));
    // Text first: the bytes follow, each with its own id.
    const told = { id, kind: step.kind, label: step.label, task: t.id, at_ms: Date.now(), result, words: words.trim(), photos: count("photo"), signatures: count("signature") + last.length };
    if (!await act([told, ...files], person, t.id)) return;
    leaveReport(t.id, person, true);
    if (open.value === t.id) scrollTo(0, 0);
  };
  const shown = (some, words, coming = 0) => some.length + coming > 0 && <ul class="shots">
    {some.map((f, i) => <Thumb key={f.id} bytes={f.bytes} mime={f.mime} words={words(i + 1)} onDrop={() => remove(f)} />)}
    {Array.from({ length: coming }, (_, i) => <Coming key={i} />)}</ul>;

  return <section class="card report"><h2>办理结果</h2>
    <fieldset aria-describedby={wrong.value === "result" ? "result-wrong" : undefined}><legend>结果</legend>
      {wrong.value === "result" && <p class="wrong" id="result-wrong" role="alert">请选一个结果。</p>}
      <div class="answers">{results.map((r, i) => <label key={r.code} class="answer"><input id={`result-${i}`} type="radio" name="result" checked={d.result === r.code} onChange={() => keep({ result: r.code })} />{r.name}</label>)}</div></fieldset>
    <label for="words">经过和结果</label>{wrong.value === "words" && <p class="wrong" id="words-wrong" role="alert">请写一句经过和结果。</p>}
    <textarea id="words" rows="4" maxlength="2000" value={d.words} aria-invalid={wrong.value === "words"} aria-describedby={wrong.value === "words" ? "words-wrong" : undefined} onInput={(e) => keep({ words: e.target.value })} />
    <h3>现场照片 <span class="soft">{photos.length ? `${photos.length} 张` : "可以没有"}</span></h3><FilesRoom />
    {shown(photos, (n) => `第 ${n} 张照片`, Math.min(r.coming.value, PHOTOS_MAX - photos.length))}
    <div class="two"><label class="button" for="photo">{r.count.value ? "正在处理…" : "拍照片"}</label><input class="hide" id="photo" type="file" accept="image/*" capture="environment" multiple onChange={picked} />
      <label class="button" for="album">选照片</label><input class="hide" id="album" type="file" accept="image/*" multiple onChange={picked} /></div>
    <KeepsPosition on={keepsPosition} />
    <h3>录音 <span class="soft">{voices.length ? `${voices.length} 段` : "可以没有"}</span></h3>
    {voices.length > 0 && <ul class="voices">{voices.map((f, i) => <Heard key={f.id} bytes={f.bytes} mime={f.mime} words={`第 ${i + 1} 段录音`} onDrop={() => remove(f)} />)}</ul>}
    {voices.length < VOICES_MAX && <Recorder end={recording} onDone={(done) => r.work(async () => { const got = await done; return !got || add("voice", got.bytes, got.mime, `录音${of("voice").length + 1}（${got.seconds}秒）`); })} />}
    <h3 id="sign-label">当事人签名 <span class="soft">{signatures.length ? `已签 ${signatures.length} 人` : "可以没有"}</span></h3>
    {shown(signatures, (n) => `第 ${n} 个签名`)}
    <Sign pad={pad} strokes={d.strokes} onStroke={(strokes) => keep({ strokes })} />
    <div class="two"><button type="button" onClick={() => { pad.current.clear(); keep({ strokes: [] }); }}>重签</button>
      {signatures.length + 1 < SIGNATURES_MAX && <button type="button" onClick={() => r.work(nextSigner)}>下一位签</button>}</div>
    <Main step={step} onClick={send} />
  </section>;
}
