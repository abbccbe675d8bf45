// What is typed is kept one write after the other: sealing takes its time, and the newest must be the last.
import { lookAtDrafts, notice } from "./state.js";

/** write(job): runs `job` after all before it; over when that lies on the disk, or when the cadre was told that it does not. */
export function writer() {
  let last = Promise.resolve();
  return (job) => (last = last.then(job).then(lookAtDrafts).catch(() => { notice.value = "手机存不下了：这里写的要等清出空间才存得住，请不要关掉这一页。"; }));
}
