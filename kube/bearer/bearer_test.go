package bearer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnswersSayWhetherATokenIsAccepted(t *testing.T) {
	cut := errors.New("cut")
	for _, test := range []struct {
		name  string
		proto int
		code  int
		err   error
		want  Outcome
	}{
		{"accepted", 2, 200, nil, Outcome{Accepted: true}},
		{"a right is missing", 1, 403, nil, Outcome{Accepted: true}},
		{"refused", 2, 401, nil, Outcome{Refused: true}},
		{"the API server is out of order", 1, 503, nil, Outcome{}},
		{"made on this side", 0, 401, nil, Outcome{}},
		{"no answer", 0, 0, cut, Outcome{Err: cut}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []Outcome
			var sent string
			transport := &Transport{
				Next: roundTrip(func(r *http.Request) (*http.Response, error) {
					sent = r.Header.Get("Authorization")
					if test.err != nil {
						return nil, test.err
					}
					return &http.Response{StatusCode: test.code, ProtoMajor: test.proto, Body: http.NoBody}, nil
				}),
				Current: func() (string, func(Outcome), error) {
					return "token", func(o Outcome) { got = append(got, o) }, nil
				},
			}
			request := httptest.NewRequest(http.MethodGet, "https://server/", nil)
			if response, err := transport.RoundTrip(request); !errors.Is(err, test.err) {
				t.Error(err)
			} else if err == nil {
				response.Body.Close()
			}
			if sent != "Bearer token" || request.Header.Get("Authorization") != "" {
				t.Errorf("sent %q; the caller's request has %q", sent, request.Header.Get("Authorization"))
			}
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			request.Header.Set("Authorization", "Basic own")
			if response, err := transport.RoundTrip(request); err == nil {
				response.Body.Close()
			}
			if sent != "Basic own" || len(got) != 1 {
				t.Errorf("a request with its own credentials: sent %q, %d outcomes", sent, len(got))
			}
		})
	}
}
