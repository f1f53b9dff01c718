// Sends a cluster's names and addresses to Fairlead, and what its routes are for, and asks no DNS.
var forHTTP = $HTTP$;
var forRest = $REST$;
var namespaces = $SPACES$;
var topLevel = $TOP$;
var known = $KNOWN$;
var routes = $ROUTES$;
var others = $OTHERS$;

function FindProxyForURL(url, host) {
  if (/[^!-~]/.test(host)) {
    return "DIRECT";
  }
  host = host.toLowerCase();
  if (host.charAt(0) === "[" && host.charAt(host.length - 1) === "]") {
    host = host.substring(1, host.length - 1);
  }
  var address = host.indexOf(":") >= 0 ? parse6(host) : parse4(host);
  if (address === null ? !isName(host) : !isKnown(address)) {
    if (address === null ? /(^|\.)localhost\.?$/.test(host) : isLoopback(address)) {
      return "DIRECT";
    }
    if (!isRouted(address, host, portOf(url))) {
      return "DIRECT";
    }
  }
  return url.substring(0, 5).toLowerCase() === "http:" ? forHTTP : forRest;
}

function isRouted(address, host, port) {
  if (host.charAt(host.length - 1) === ".") {
    host = host.substring(0, host.length - 1);
  }
  for (var i = 0; i < routes.length; i++) {
    var name = routes[i][0];
    var prefix = routes[i][1];
    if (routes[i][2] !== 0 && routes[i][2] !== port) {
      continue;
    }
    if (address === null ? name !== "" && new RegExp(name).test(host) :
        name === "^.*$" || prefix.length === address.length + 1 && contains(prefix, address)) {
      return !routes[i][3];
    }
  }
  return others;
}

function portOf(url) {
  var part = /^([a-z][a-z0-9+.-]*):\/\/(?:[^\/?#]*@)?(?:\[[^\]]*\]|[^\/?#:]*)(?::([0-9]+))?/i.exec(url);
  if (part === null) {
    return 0;
  }
  if (part[2]) {
    return Number(part[2]);
  }
  var scheme = part[1].toLowerCase();
  return scheme === "http" || scheme === "ws" ? 80 : scheme === "https" || scheme === "wss" ? 443 : scheme === "ftp" ? 21 : 0;
}

function isName(host) {
  // No other network has such names, and no other DNS is to be asked for them, well formed or not.
  if (/\.(svc|pod|cluster\.local)\.*$/.test("." + host)) {
    return true;
  }
  if (host.charAt(host.length - 1) === ".") {
    host = host.substring(0, host.length - 1);
  }
  if (host.length > 253) {
    return false;
  }
  var label = host.split(".");
  var n = label.length;
  for (var i = 0; i < n; i++) {
    if (!/^[a-z0-9_-]{1,63}$/.test(label[i])) {
      return false;
    }
  }
  var last = label[n - 1];
  if (last === "localhost" || /^([0-9]+|0x[0-9a-f]*)$/.test(last)) {
    return false;
  }
  return n === 1 ||
    n > 2 && (label[2] === "svc" || label[2] === "pod") ||
    n > 3 && label[3] === "svc" ||
    n === 2 && namespaces.indexOf(" " + last + " ") >= 0 ||
    topLevel.indexOf(" " + last + " ") < 0;
}

// Addresses are lists of groups of 16 bits.

function parse4(host) {
  var part = host.split(".");
  if (part.length !== 4) {
    return null;
  }
  for (var i = 0; i < 4; i++) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part[i]) || Number(part[i]) > 255) {
      return null;
    }
  }
  return [part[0] * 256 + Number(part[1]), part[2] * 256 + Number(part[3])];
}

function parse6(host) {
  var half = host.split("::");
  if (half.length > 2) {
    return null;
  }
  var front = groups(half[0], half.length === 1);
  var back = half.length === 2 ? groups(half[1], true) : [];
  if (front === null || back === null) {
    return null;
  }
  var missing = 8 - front.length - back.length;
  if (half.length === 2 ? missing < 1 : missing !== 0) {
    return null;
  }
  for (; missing > 0; missing--) {
    front.push(0);
  }
  var all = front.concat(back);
  for (var i = 0; i < 5; i++) {
    if (all[i] !== 0) {
      return all;
    }
  }
  return all[5] === 65535 ? [all[6], all[7]] : all;
}

function groups(text, last) {
  if (text === "") {
    return [];
  }
  var part = text.split(":");
  var all = [];
  for (var i = 0; i < part.length; i++) {
    if (last && i === part.length - 1 && part[i].indexOf(".") >= 0) {
      var four = parse4(part[i]);
      return four === null ? null : all.concat(four);
    }
    if (!/^[0-9a-f]{1,4}$/.test(part[i])) {
      return null;
    }
    all.push(parseInt(part[i], 16));
  }
  return all;
}

function isLoopback(address) {
  return address.length === 2 ? Math.floor(address[0] / 256) === 127 : address.join() === "0,0,0,0,0,0,0,1";
}

function isKnown(address) {
  if (isLoopback(address)) {
    return false;
  }
  for (var i = 0; i < known.length; i++) {
    if (known[i].length === address.length + 1 && contains(known[i], address)) {
      return true;
    }
  }
  return false;
}

function contains(prefix, address) {
  var bits = prefix[0];
  for (var i = 0; bits > 0; i++, bits -= 16) {
    var unit = bits < 16 ? Math.pow(2, 16 - bits) : 1;
    if (Math.floor(prefix[i + 1] / unit) !== Math.floor(address[i] / unit)) {
      return false;
    }
  }
  return true;
}
