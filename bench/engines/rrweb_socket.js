// rrweb over a bare WebSocket, as its guide for live mirroring has it: a second of buffer, the events
// as they come.
import { Replayer, record } from "rrweb";

const BUFFER_MS = 1_000;
const counts = { bytes: 0, frames: 0 };
const connected = (url) =>
  new Promise((done) => {
    const socket = new WebSocket(url);
    socket.onopen = () => done(socket);
  });

Object.assign(window, {
  counts,
  async startRecording(url) {
    const socket = await connected(url);
    record({
      emit(event) {
        const text = JSON.stringify(event);
        counts.bytes += text.length;
        counts.frames++;
        socket.send(text);
      },
      inlineStylesheet: true,
      slimDOMOptions: "all",
      maskAllInputs: false,
      sampling: { mousemove: 20, mousemoveCallback: 20, scroll: 16, media: 100 },
    });
  },
  async startReplaying(url) {
    const replayer = new Replayer([], { liveMode: true, showWarning: false });
    replayer.startLive(Date.now() - BUFFER_MS);
    const socket = await connected(url);
    socket.onmessage = ({ data }) => replayer.addEvent(JSON.parse(data));
  },
});
