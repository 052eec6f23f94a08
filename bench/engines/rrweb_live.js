// rrweb's recorder and its replayer, both as its guide for live mirroring has them.
import { Replayer, record } from "rrweb";

// So long events wait, that they come in order; the guide's own second is for networks.
const BUFFER_MS = 100;

Object.assign(window, {
  startRecording() {
    const events = [];
    record({
      emit: (event) => events.push(JSON.stringify(event)),
      errorHandler: () => true,
      inlineStylesheet: true,
      slimDOMOptions: "all",
      maskAllInputs: false,
      sampling: { mousemove: 20, mousemoveCallback: 20, scroll: 16, media: 100 },
    });
    window.takeEvents = () => events.splice(0);
  },
  startReplaying() {
    const replayer = new Replayer([], { liveMode: true, showWarning: false });
    window.shown = false;
    replayer.on("fullsnapshot-rebuilded", () => {
      window.shown = true;
    });
    replayer.startLive(Date.now() - BUFFER_MS);
    window.giveEvents = (events) => {
      for (const event of events) replayer.addEvent(JSON.parse(event));
    };
  },
});
