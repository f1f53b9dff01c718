// Fetches a page with node's own http through the agent of a package: agents.js PACKAGE CLASS PROXY URL
const [name, kind, proxy, url] = process.argv.slice(2);
const agent = new (require(name)[kind])(proxy);
require(url.startsWith("https:") ? "https" : "http")
  .get(url, { agent }, (answer) => answer.pipe(process.stdout))
  .on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
