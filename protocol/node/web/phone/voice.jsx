// A voice note: recorded, heard, taken away again, and sent like a photo. It stops by itself after a few minutes, so that it can travel.
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";

export const VOICES_MAX = 3;
const SECONDS_MAX = 180, BITS_PER_S = 24_000; // three minutes are half a megabyte
const KINDS = ["audio/webm;codecs=opus", "audio/mp4"]; // the second is what Safari can
const clock = (s) => `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;

/** Why nothing can be recorded here, in words; "" when it may be tried. */
const hindrance = () => (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === "undefined" ? "这部手机的浏览器不能录音。请用文字写。" : "");
const WHY = { NotAllowedError: "没有允许用麦克风。要录音，请在浏览器的网站设置里允许麦克风；也可以用文字写。", NotFoundError: "这部手机没有找到麦克风。请用文字写。" };

export function Heard({ bytes, mime, words, onDrop }) {
  const url = useSignal("");
  useEffect(() => { const made = URL.createObjectURL(new Blob([bytes], { type: mime })); url.value = made; return () => URL.revokeObjectURL(made); }, [bytes]);
  return <li><span>{words}</span>{url.value && <audio controls src={url.value} aria-label={words} />}<button type="button" aria-label={`去掉${words}`} onClick={onDrop}>去掉</button></li>;
}

/** onDone(promise of {bytes, mime, seconds}, null where nothing was heard): called the moment a recording is ended. end: a ref that gets what ends it. */
export function Recorder({ onDone, end }) {
  const state = useSignal("still"), why = useSignal(""), seconds = useSignal(0), tracks = useRef([]), stop = () => end.current?.();
  useEffect(() => () => tracks.current.forEach((track) => track.stop()), []);
  useEffect(() => {
    if (state.value !== "recording") return undefined;
    const timer = setInterval(() => { seconds.value += 1; if (seconds.value >= SECONDS_MAX) stop(); }, 1000);
    return () => clearInterval(timer);
  }, [state.value]);
  const start = async () => {
    why.value = hindrance();
    if (why.value) return;
    state.value = "asking";
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true }), mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
      const r = new MediaRecorder(stream, { mimeType, audioBitsPerSecond: BITS_PER_S }), parts = [];
      tracks.current = stream.getTracks();
      let isHanded = false;
      const hand = () => { if (!isHanded) onDone(ended); isHanded = true; };
      r.ondataavailable = ({ data }) => parts.push(data);
      const ended = new Promise((done) => {
        r.onstop = async () => { // also when the microphone went away
          hand();
          tracks.current.forEach((track) => track.stop());
          const blob = new Blob(parts), mime = (r.mimeType || mimeType).split(";")[0];
          state.value = "still";
          done(blob.size ? { bytes: await blob.arrayBuffer(), mime, seconds: Math.max(1, seconds.value) } : null);
        };
      });
      end.current = () => { if (r.state === "recording") { hand(); r.stop(); } };
      seconds.value = 0;
      r.start();
      state.value = "recording";
    } catch (error) { state.value = "still"; why.value = WHY[error.name] ?? "现在录不了音。可以再试一次，或用文字写。"; }
  };
  return <>{why.value && <p class="note" role="alert">{why.value}</p>}
    {state.value === "recording" ? <button type="button" class="recording" onClick={stop}>停止录音　{clock(seconds.value)} / {clock(SECONDS_MAX)}</button>
      : <button type="button" onClick={start}>{state.value === "asking" ? "请允许用麦克风…" : "录一段话"}</button>}</>;
}
