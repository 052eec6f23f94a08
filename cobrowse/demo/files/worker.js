// Answers for its page by itself, as shops do that want to open without the network.
const PAGE = "<!doctype html><title>Kept</title><h1>Also without the network</h1><p>As kept by the browser.</p>";
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (event.request.mode === "navigate" && new URL(event.request.url).pathname === "/odd/worker")
    event.respondWith(new Response(PAGE, { headers: { "Content-Type": "text/html" } }));
});
