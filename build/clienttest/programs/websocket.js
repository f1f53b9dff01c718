// Sends a message over a WebSocket and prints the echo: websocket.js PROXY URL
const { ProxyAgent, WebSocket } = require("undici");

const [proxy, url] = process.argv.slice(2);
const dispatcher = new ProxyAgent(proxy);
const socket = new WebSocket(url, { dispatcher });
socket.onopen = () => socket.send("inside");
socket.onmessage = (message) => {
  console.log("echoed:", message.data);
  process.exit(0);
};
socket.onerror = (error) => {
  console.error(error);
  process.exit(1);
};
