// Fetches a page with Node's http module and a package's agent: agents.js PACKAGE CLASS PROXY URL
const [name, kind, proxy, url] = process.argv.slice(2);
const agent = new (require(name)[kind])(proxy);
require(url.startsWith("https:") ? "https" : "http")
  .get(url, { agent }, (answer) => answer.pipe(process.stdout))
  .on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
