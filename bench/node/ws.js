// /visitor/ROOM and /agent/ROOM: what the visitor sends goes to the room's agents.
//
//   node ws.js PORT
import { WebSocketServer } from "ws";

const rooms = new Map();
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  perMessageDeflate: false,
  maxPayload: 8 * 1024 * 1024,
});
server.on("connection", (socket, request) => {
  const [, role, room] = request.url.split("/");
  if (role === "agent") {
    if (!rooms.has(room)) rooms.set(room, new Set());
    const agents = rooms.get(room);
    agents.add(socket);
    socket.on("close", () => {
      agents.delete(socket);
      if (agents.size === 0) rooms.delete(room);
    });
    return;
  }
  socket.on("message", (data, isBinary) => {
    for (const agent of rooms.get(room) ?? []) agent.send(data, { binary: isBinary });
  });
});
