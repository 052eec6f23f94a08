// The recorder of rrweb as its guide advises for live mirroring; each event becomes JSON, as it must to
// be sent anywhere.
import { record } from "rrweb";

const counts = { bytes: 0, frames: 0 };
Object.assign(window, {
  counts,
  startEngine() {
    return record({
      emit(event) {
        counts.bytes += JSON.stringify(event).length;
        counts.frames++;
      },
      inlineStylesheet: true,
      slimDOMOptions: "all",
      sampling: { mousemove: 20, mousemoveCallback: 20, scroll: 16, media: 100 },
    });
  },
});
