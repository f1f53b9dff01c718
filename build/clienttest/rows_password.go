//go:build linux

package main

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// locked returns the rows that paste a snippet, with a proxy that requires a password, which the snippet then contains.
func locked() []row {
	var rows []row
	for _, r := range slices.Concat(shells(), commands(), languages(), tunnels()) {
		// With a password the line for ssh is different, and java.net.http.HttpClient sends none over SOCKS.
		if !strings.HasPrefix(r.line, "snippet ") || r.line == "snippet ssh" || r.program == "Java HttpClient" {
			continue
		}
		try := r.try
		r.program += ", password"
		r.try = func(ctx context.Context, l *lab) error { return try(ctx, l.withPassword()) }
		rows = append(rows, r)
	}
	return append(rows, row{"curl, wrong password", "", "turned away, by SOCKS and by HTTP.", func(ctx context.Context, l *lab) error {
		locked := l.withPassword()
		for _, scheme := range []string{"socks5h", "http"} {
			for _, login := range []string{"", "me:wrong@"} {
				url := scheme + "://" + login + locked.proxy.String()
				if output, err := l.run(ctx, "curl", "-sSf", "--proxy", url, helloURL); err == nil {
					return errors.New(url + " is accepted: " + output)
				}
			}
		}
		return nil
	}})
}
