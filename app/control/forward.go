package control

import (
	"context"
	"net/http"
)

// Forward is a fixed local port of a context, which leads to one target.
type Forward struct {
	Listen   string `json:"listen"`             // host:port
	Target   string `json:"target,omitempty"`   // host:port, whose port may be a name
	Protocol string `json:"protocol,omitempty"` // "tcp" or "http"
	Replace  bool   `json:"replace,omitempty"`  // the port's target, if the context has the port with another one
}

type forwardRequest struct {
	Context string `json:"context"`
	Forward
}

type forwardAnswer struct {
	Note string `json:"note,omitempty"`
}

// Forward adds a fixed local port to a context that is on, and returns when the port listens. It is kept until Unforward. The
// note is empty, or says that the target does not exist now.
func (c *Client) Forward(ctx context.Context, name string, f Forward) (note string, err error) {
	var answer forwardAnswer
	err = callWith(ctx, c.slow, http.MethodPost, "/v1/forward", forwardRequest{name, f}, &answer)
	return answer.Note, err
}

// Unforward removes a fixed local port that Forward has made.
func (c *Client) Unforward(ctx context.Context, name, listen string) error {
	return c.call(ctx, "/v1/unforward", forwardRequest{name, Forward{Listen: listen}}, nil)
}

func (s Server) forward(ctx context.Context, r forwardRequest) (any, error) {
	if s.Forward == nil {
		return nil, ErrNotOffered
	}
	note, err := s.Forward(ctx, r.Context, r.Forward)
	return forwardAnswer{note}, err
}

func (s Server) unforward(ctx context.Context, r forwardRequest) (any, error) {
	if s.Unforward == nil {
		return nil, ErrNotOffered
	}
	return nil, s.Unforward(ctx, r.Context, r.Listen)
}
