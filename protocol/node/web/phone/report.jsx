// The report of a visit: result, words, photos, signatures. Every change is kept as a draft, so a phone that dies loses nothing.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import SignaturePad from "signature_pad";
import { thumbOf } from "../islands/_send.js";
import { db, keep as keepSealed, read } from "./outbox.js";

const PHOTOS_MAX = 9, SIGNATURES_MAX = 6, SIDE_PX_MAX = 1600, PHOTO_BYTES_MAX = 500_000;

/** Drafts of tasks that are done are forgotten. */
export async function forget(ids) { for (const id of ids) await (await db).delete("drafts", id); }

const encoded = (canvas, mime, quality) => new Promise((done) => { canvas.toBlob(done, mime, quality); });
/** A photo as JPEG bytes, at most SIDE_PX_MAX wide or high. Bytes, not the File: WebKit can lose Files that are kept. Drawing it anew also drops its position data. */
export async function shrink(file) {
  const picture = await createImageBitmap(file), scale = Math.min(1, SIDE_PX_MAX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale); canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  let blob = null;
  for (const quality of [0.82, 0.65, 0.5]) { blob = await encoded(canvas, "image/jpeg", quality); if (blob.size <= PHOTO_BYTES_MAX) break; }
  return blob.arrayBuffer();
}

function Thumb({ bytes, mime, words, onDrop }) {
  const url = useSignal("");
  useEffect(() => { const made = URL.createObjectURL(new Blob([bytes], { type: mime })); url.value = made; return () => URL.revokeObjectURL(made); }, [bytes]);
  return <li>{url.value && <img src={url.value} alt={words} />}<button type="button" aria-label={`去掉${words}`} onClick={onDrop}>去掉</button></li>;
}

/** Pixels, not SVG: whoever opens it later must never open a document that could carry a script. */
function Sign({ pad, strokes, onStroke }) {
  const canvas = useRef();
  useEffect(() => {
    const c = canvas.current, look = getComputedStyle(c);
    const lay = () => {
      const k = devicePixelRatio || 1, kept = pad.current?.toData() ?? strokes;
      pad.current?.off();
      c.width = c.offsetWidth * k; c.height = c.offsetHeight * k; c.getContext("2d").scale(k, k); // else the strokes blur
      pad.current = new SignaturePad(c, { penColor: look.color, backgroundColor: look.backgroundColor });
      if (kept?.length) pad.current.fromData(kept);
      pad.current.addEventListener("endStroke", () => onStroke(pad.current.toData()));
    };
    lay();
    addEventListener("resize", lay);
    return () => { removeEventListener("resize", lay); pad.current.off(); pad.current = null; };
  }, []);
  return <canvas ref={canvas} role="img" aria-labelledby="sign-label" />;
}

export function Report({ t, person, results, step, notice, act }) {
  const draft = useSignal(null), pad = useRef(null), wrong = useSignal("");
  const writing = useRef(Promise.resolve()); // one after the other: sealing takes its time, and the newest must be the last
  const keep = (more) => { draft.value = { ...draft.value, ...more }; return (writing.current = writing.current.catch(() => 0).then(() => keepSealed("drafts", t.id, draft.value))); };
  useEffect(() => { (async () => {
    const was = await read(await (await db).get("drafts", t.id));
    draft.value = was?.person === person ? was : { task: t.id, person, result: "", words: "", photos: [], signatures: [], strokes: [] };
  })(); }, []);
  if (!draft.value) return null;
  const d = draft.value;

  const addPhotos = async (e) => {
    const files = [...e.target.files], photos = [...d.photos];
    e.target.value = "";
    for (const file of files) {
      if (photos.length >= PHOTOS_MAX) { notice.value = `最多 ${PHOTOS_MAX} 张照片。`; break; }
      try { photos.push(await shrink(file)); } catch { notice.value = `这张照片打不开：${file.name}`; }
    }
    await keep({ photos });
  };
  const ink = async () => (await encoded(pad.current.canvas, "image/png")).arrayBuffer();
  const nextSigner = async () => {
    if (pad.current.isEmpty()) { notice.value = "签名板还是空的。"; return; }
    await keep({ signatures: [...d.signatures, await ink()], strokes: [] });
    pad.current.clear();
  };
  const send = async () => {
    if (!d.result) { wrong.value = "result"; document.getElementById("result-0").focus(); return; }
    if (!d.words.trim()) { wrong.value = "words"; document.getElementById("words").focus(); return; }
    wrong.value = "";
    const signatures = pad.current.isEmpty() ? d.signatures : [...d.signatures, await ink()], id = crypto.randomUUID(), at_ms = Date.now();
    const file = (what, name, mime) => async (bytes, i) => ({ kind: "AddTaskEvidence", label: what === "photo" ? "照片" : "签名", task: t.id, of: id, at_ms, what, name: `${name}${i + 1}`, mime, bytes, thumb: await thumbOf(new Blob([bytes], { type: mime })) });
    // Text first: the bytes follow, each with its own id.
    const report = { id, kind: step.kind, label: step.label, task: t.id, at_ms, result: d.result, words: d.words.trim(), photos: d.photos.length, signatures: signatures.length };
    const files = await Promise.all([...d.photos.map(file("photo", "照片", "image/jpeg")), ...signatures.map(file("signature", "签名", "image/png"))]);
    if (await act([report, ...files])) { await forget([t.id]); scrollTo(0, 0); }
  };

  return <section class="card report"><h2>办理结果</h2>
    <fieldset aria-describedby={wrong.value === "result" ? "result-wrong" : undefined}><legend>结果</legend>
      {wrong.value === "result" && <p class="wrong" id="result-wrong" role="alert">请选一个结果。</p>}
      <div class="answers">{results.map((r, i) => <label key={r.code} class="answer"><input id={`result-${i}`} type="radio" name="result" checked={d.result === r.code} onChange={() => keep({ result: r.code })} />{r.name}</label>)}</div></fieldset>
    <label for="words">经过和结果</label>{wrong.value === "words" && <p class="wrong" id="words-wrong" role="alert">请写一句经过和结果。</p>}
    <textarea id="words" rows="4" maxlength="2000" value={d.words} aria-invalid={wrong.value === "words"} aria-describedby={wrong.value === "words" ? "words-wrong" : undefined} onInput={(e) => keep({ words: e.target.value })} />
    <h3>现场照片 <span class="soft">{d.photos.length ? `${d.photos.length} 张` : "可以没有"}</span></h3>
    {d.photos.length > 0 && <ul class="shots">{d.photos.map((bytes, i) => <Thumb key={i} bytes={bytes} mime="image/jpeg" words={`第 ${i + 1} 张照片`} onDrop={() => keep({ photos: d.photos.filter((_, j) => j !== i) })} />)}</ul>}
    <label class="button" for="photo">拍照片</label><input class="hide" id="photo" type="file" accept="image/*" capture="environment" multiple onChange={addPhotos} />
    <h3 id="sign-label">当事人签名 <span class="soft">{d.signatures.length ? `已签 ${d.signatures.length} 人` : "可以没有"}</span></h3>
    {d.signatures.length > 0 && <ul class="shots">{d.signatures.map((bytes, i) => <Thumb key={i} bytes={bytes} mime="image/png" words={`第 ${i + 1} 个签名`} onDrop={() => keep({ signatures: d.signatures.filter((_, j) => j !== i) })} />)}</ul>}
    <Sign pad={pad} strokes={d.strokes} onStroke={(strokes) => keep({ strokes })} />
    <div class="two"><button type="button" onClick={() => { pad.current.clear(); keep({ strokes: [] }); }}>重签</button>
      {d.signatures.length + 1 < SIGNATURES_MAX && <button type="button" onClick={nextSigner}>下一位签</button>}</div>
    <div class="foot"><button class="main" onClick={send}>{step.label}</button></div>
  </section>;
}
