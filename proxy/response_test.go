package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
)

// final reads interim responses and the one after them.
func final(t *testing.T, from *bufio.Reader) (*http.Response, string) {
	t.Helper()
	for {
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode >= 200 {
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response, string(body)
		}
	}
}
