// The published tracker of OpenReplay, talking to a server that says yes to everything.
import Tracker from "@openreplay/tracker";

const counts = { bytes: 0, frames: 0 };
Object.assign(window, {
  counts,
  async startEngine() {
    const tracker = new Tracker({
      projectKey: "obviously-fake",
      ingestPoint: `${location.origin}/ingest`,
      __DISABLE_SECURE_MODE: true,
      respectDoNotTrack: false,
      network: { capturePayload: false },
    });
    const started = await tracker.start();
    if (!started.success) throw new Error(`the tracker did not start: ${started.reason}`);
    return () => tracker.stop();
  },
});
