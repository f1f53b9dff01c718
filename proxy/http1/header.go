package http1

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Pseudonym is the name of this proxy in Via, which every proxy must add in both directions (RFC 9110 7.6.3).
const Pseudonym = "fairlead"

// AddVia adds this proxy to the Via of a message that was received with HTTP major.minor.
func AddVia(header http.Header, major, minor int) {
	header.Add("Via", fmt.Sprintf("%d.%d %s", major, minor, Pseudonym))
}

// hopFields are the fields of one hop (RFC 9110 7.6.1). Httputil removes them from the final response's header only.
var hopFields = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// trailerFields are fields that must not be in a trailer (RFC 9110 6.5.1), in addition to hopFields, because a client
// that merges trailers into the header would use them.
var trailerFields = []string{"Content-Length", "Via"}

// Disown removes the fields from a target's header or trailer that only this proxy may set. Of Proxy-Status (RFC 9209),
// entries of other proxies remain.
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

// DisownTrailer cleans a trailer, whether announced or read.
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
