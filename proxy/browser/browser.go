// Package browser reads what browsers report in the header of a request: whether a web page made it, the origin of that
// page, and whether it can read the answer. Programs other than browsers do not send these fields.
package browser

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// OtherOrigin reports whether a request was made by a page of another origin than its target's, as far as the browser
// reports it, and which one. isTarget reports whether a URL or an origin belongs to the target.
//
// Browsers send Origin with every method but GET and HEAD, with requests whose answer a script may read, and with
// WebSockets. They send Fetch Metadata only to trustworthy hosts, which hosts of plain HTTP rarely are. Then only
// Referer is left. A GET with none of the three passes: it comes from a program, or from a page that hides its origin
// and cannot read the answer. Following a link is a request by the user, not by the page; without Fetch Metadata, the
// request of a frame looks the same. Two hosts of one site are two origins, since they may belong to two tenants.
func OtherOrigin(r *http.Request, isTarget func(string) bool) (origin string, other bool) {
	origins, sites, referers := r.Header["Origin"], r.Header["Sec-Fetch-Site"], r.Header["Referer"]
	for _, origin := range origins {
		if len(origins) > 1 || !isTarget(origin) {
			return origin, true
		}
	}
	if followsLink(r) {
		return "", false
	}
	for _, site := range sites {
		if site != "none" && site != "same-origin" {
			return originOf(r.Referer()), true
		}
	}
	if len(origins)+len(sites) > 0 {
		return "", false
	}
	for _, referer := range referers {
		if !isTarget(referer) {
			return originOf(referer), true
		}
	}
	return "", false
}

// followsLink reports whether a browser requests a document to show, and sends no data with the request.
func followsLink(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode, ok := r.Header["Sec-Fetch-Mode"]; ok {
		return len(mode) == 1 && mode[0] == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	}
	// Browsers send it with navigations. A script that adds it to a request makes the browser send Origin as well.
	return r.Header.Get("Upgrade-Insecure-Requests") == "1" && r.Header.Get("Upgrade") == ""
}

// originOf returns the origin of a URL, in words where it has none.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "another origin"
	}
	return u.Scheme + "://" + u.Host
}

// IsOwnRequest reports whether a request to a server of this machine, at local, was made by the user or by a page of
// that server. A page of any web site can make a browser send a request there, also under a name that resolves to this
// machine (DNS rebinding). So the request must come from this machine, have a name of the loopback as its Host, and not
// be made by another site.
func IsOwnRequest(r *http.Request, client, local net.Addr) bool {
	return IsOwnHost(r.Host, client, local) && !crossSite(r)
}

// IsOwnHost reports whether host is a server at local by a name of the loopback, for a client on this machine.
func IsOwnHost(host string, client, local net.Addr) bool {
	from, _ := client.(*net.TCPAddr)
	to, _ := local.(*net.TCPAddr)
	if from == nil || to == nil || !from.IP.IsLoopback() {
		return false
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
	}
	ip, err := netip.ParseAddr(name)
	loopback := strings.EqualFold(name, "localhost") || err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
	return loopback && port == strconv.Itoa(to.Port)
}

// crossSite reports whether a browser says that a page of another origin than its Host made a request (Fetch Metadata, RFC
// 6454 section 7).
func crossSite(r *http.Request) bool {
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "" && site != "none" && site != "same-origin" {
			return true
		}
	}
	origin, asked := r.Header["Origin"]
	if !asked {
		return false
	}
	return len(origin) != 1 || !strings.EqualFold(origin[0], "http://"+r.Host) && !strings.EqualFold(origin[0], "https://"+r.Host)
}

// PageMayRead reports whether a web page may be able to read the answer to a request. A page reads the answers of its own
// origin: its server can fail whenever it likes, and the page's script then reads what the proxy says of the failure. Over
// plain HTTP no single field marks such a request: browsers omit Fetch Metadata, and a GET to the page's own origin has no
// Origin. So any field that browsers send by themselves counts. A script can change some of them, but it can remove
// neither Accept-Encoding, which scripts may not set (Fetch, "forbidden request-header"), nor Accept-Language. A client
// that sends none of them, such as curl, is no browser.
func PageMayRead(r *http.Request) bool {
	for _, name := range []string{"Accept-Encoding", "Accept-Language", "Origin", "Referer", "Upgrade-Insecure-Requests"} {
		if _, sent := r.Header[name]; sent {
			return true
		}
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "Sec-") {
			return true
		}
	}
	return strings.Contains(r.UserAgent(), "Mozilla/")
}

// AcceptsHTML reports whether a client names HTML among what it can show, as browsers do. */* does not name it.
func AcceptsHTML(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for _, part := range strings.Split(line, ",") {
			kind, parameters, err := mime.ParseMediaType(part)
			if err != nil || kind != "text/html" && kind != "application/xhtml+xml" {
				continue
			}
			if quality, err := strconv.ParseFloat(parameters["q"], 64); err != nil || quality > 0 {
				return true
			}
		}
	}
	return false
}
