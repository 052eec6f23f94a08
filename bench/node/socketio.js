// A visitor and its agents join a room; what the visitor sends goes to the others in it.
//
//   node socketio.js PORT
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 8 * 1024 * 1024,
});
io.on("connection", (socket) => {
  socket.on("visitor", (room, joined) => {
    socket.join(room);
    socket.on("frame", (frame) => socket.to(room).emit("frame", frame));
    joined();
  });
  socket.on("agent", (room, joined) => {
    socket.join(room);
    joined();
  });
});
http.listen(Number(process.argv[2]), "127.0.0.1");
