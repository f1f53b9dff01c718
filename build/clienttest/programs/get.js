// Fetches a URL by http.get, with the agent that the process has.
const http = require("http");

http.get(process.argv[2], (answer) => answer.pipe(process.stdout));
