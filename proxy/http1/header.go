package http1

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Pseudonym stands for this proxy in Via, which RFC 9110 7.6.3 demands of every proxy, in both directions.
const Pseudonym = "fairlead"

// AddVia adds this proxy to a header's Via, behind a message of HTTP major.minor.
func AddVia(header http.Header, major, minor int) {
	header.Add("Via", fmt.Sprintf("%d.%d %s", major, minor, Pseudonym))
}

// hopFields are the fields of one hop (RFC 9110 7.6.1). Httputil removes them from the final response's header only.
var hopFields = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// trailerFields cannot stand in a trailer (RFC 9110 6.5.1), besides those of one hop: a client that merges trailers into
// the header would believe them.
var trailerFields = []string{"Content-Length", "Via"}

// Disown removes from a target's header, or trailer, what only this proxy has the right to say. Of Proxy-Status (RFC
// 9209) what other proxies say remains.
func Disown(header http.Header) {
	for name := range header {
		if strings.HasPrefix(name, "Proxy-Auth") { // Proxy-Authenticate, Proxy-Authentication-Info
			delete(header, name)
		}
	}
	said := header["Proxy-Status"]
	if len(said) == 0 {
		return // it is not there, or is announced as a trailer
	}
	header["Proxy-Status"] = slices.DeleteFunc(said, func(line string) bool {
		return strings.Contains(strings.ToLower(line), Pseudonym)
	})
	if len(header["Proxy-Status"]) == 0 {
		delete(header, "Proxy-Status")
	}
}

// DisownInterim cleans an interim response (RFC 9110 15.2).
func DisownInterim(header http.Header) {
	Disown(header)
	remove(header, hopFields)
}

// DisownTrailer cleans a trailer, as it is announced and as it is read.
func DisownTrailer(trailer http.Header) {
	Disown(trailer)
	remove(trailer, hopFields)
	remove(trailer, trailerFields)
}

func remove(header http.Header, names []string) {
	for _, name := range names {
		delete(header, name)
	}
}
