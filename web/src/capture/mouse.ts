// The recorder samples the mouse and drops what comes between two samples, the place where it comes to
// rest with it. This sends that place.
import { type eventWithTime, record } from "rrweb";
import { INCREMENTAL, MOUSE_MOVE } from "./nodes";

/** Longer than the recorder's own sampling, so that this is the last word. */
const REST_MS = 40;

export function watchMouseRest(emit: (event: eventWithTime) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onMove = (move: MouseEvent) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const { clientX: x, clientY: y, target } = move;
      const id = target instanceof Node ? record.mirror.getId(target) : -1;
      emit({
        type: INCREMENTAL,
        timestamp: Date.now(),
        data: { source: MOUSE_MOVE, positions: [{ x, y, id, timeOffset: 0 }] },
      } as unknown as eventWithTime);
    }, REST_MS);
  };
  addEventListener("mousemove", onMove, { capture: true, passive: true });
  return () => {
    clearTimeout(timer);
    removeEventListener("mousemove", onMove, { capture: true });
  };
}
