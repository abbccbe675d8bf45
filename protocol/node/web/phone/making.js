// Files that are still being made: a photo is shrunk, a recording is ended. A report that is sent waits for them, so that none stays behind.
import { useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";

/** {count, work, settled}. work(job): runs `job`, which says whether all of it lies on the disk. settled(): true when all that was being made just now does. */
export function useMaking() {
  const count = useSignal(0), pending = useRef(new Set());
  const work = (job) => {
    const one = job().catch(() => false).finally(() => { pending.current.delete(one); count.value = pending.current.size; });
    pending.current.add(one);
    count.value = pending.current.size;
    return one;
  };
  const settled = async () => {
    let is = true;
    while (pending.current.size) is = (await Promise.all(pending.current)).every(Boolean) && is;
    return is;
  };
  return { count, work, settled };
}
