package pac

import (
	"context"
	_ "embed"
	"html/template"
	"io"
	"net/http"
	"strings"
)

// A PagesConfig configures a proxy's own pages.
type PagesConfig struct {
	// Context is the name of the kubeconfig context behind the proxy.
	Context string
	// Script returns the configuration of the proxy auto-configuration file, at each request. An empty Address stands
	// for the host and port of the request, which the server must have checked.
	Script func(context.Context) Config
	// Hint is a sentence for the page, in plain text; may be empty.
	Hint string
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// NewPages returns a handler of a proxy's own pages: /, which describes the proxy and its use, and /proxy.pac. No page
// has a password, or loads anything from elsewhere. The caller has to keep other host names and other sites out.
func NewPages(c PagesConfig) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /proxy.pac", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ContentType)
		_, _ = io.WriteString(w, Script(c.script(r))) // net/http notices a client that is gone
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var body strings.Builder
		if err := page.Execute(&body, c.view(r)); err != nil {
			http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, body.String())
	})
	return mux
}

// script returns the current configuration.
func (c PagesConfig) script(r *http.Request) Config {
	var config Config
	if c.Script != nil {
		config = c.Script(r.Context())
	}
	if config.Address == "" {
		config.Address = r.Host
	}
	return config
}

// A view is what page.html shows.
type view struct {
	Context, Address, Scheme, Hint string
	SOCKS, Password, TLS           bool
}

func (c PagesConfig) view(r *http.Request) view {
	config := c.script(r)
	v := view{
		Context: c.Context, Address: config.Address, Scheme: "http", Hint: c.Hint,
		SOCKS: !config.TLS, Password: config.Password, TLS: config.TLS,
	}
	if config.TLS {
		v.Scheme = "https"
	}
	return v
}
