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
	Replace  bool   `json:"replace,omitempty"`  // of another target, to which the context's port may lead so far
}

type forwardRequest struct {
	Context string `json:"context"`
	Forward
}

type forwardAnswer struct {
	Note string `json:"note,omitempty"`
}

// Forward gives a context that is on a fixed local port, and returns when it listens. It is kept until Unforward. The note
// says that the target does not exist now; it may be empty.
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
