package control

import (
	"context"
	"errors"

	"fairlead/app/session"
)

func (s Server) restart(ctx context.Context, r contextsRequest) (any, error) {
	var errs []error
	for _, name := range r.Contexts {
		errs = append(errs, s.Model.Do(ctx, session.Restart{Name: name}))
	}
	return nil, errors.Join(errs...)
}

// listening returns the contexts that a request names: if it says all, those that are on.
func (s Server) listening(r contextsRequest) []string {
	if !r.All {
		return r.Contexts
	}
	var names []string
	for _, state := range s.Model.Snapshot().Contexts {
		if state.Phase.Listening() {
			names = append(names, state.Name)
		}
	}
	return names
}

func (s Server) connections(_ context.Context, r contextsRequest) (any, error) {
	if s.Connections == nil {
		return nil, ErrNotOffered
	}
	list := connectionList{Connections: []Connection{}}
	for _, name := range s.listening(r) {
		open, err := s.Connections(name)
		if errors.Is(err, session.ErrNotOn) && r.All {
			continue // it went off meanwhile
		}
		if err != nil {
			return nil, err
		}
		list.Connections = append(list.Connections, open...)
	}
	return list, nil
}

func (s Server) closeConnections(_ context.Context, r contextsRequest) (any, error) {
	if s.Close == nil {
		return nil, ErrNotOffered
	}
	counts := closedCounts{map[string]int{}}
	var errs []error
	for _, name := range s.listening(r) {
		n, err := s.Close(name)
		if errors.Is(err, session.ErrNotOn) && r.All {
			continue
		}
		if err == nil {
			counts.Connections[name] = n
		}
		errs = append(errs, err)
	}
	return counts, errors.Join(errs...)
}

func (s Server) services(ctx context.Context, r contextRequest) (any, error) {
	if s.Services == nil {
		return nil, ErrNotOffered
	}
	found, err := s.Services(ctx, r.Context, r.Namespace)
	if found == nil {
		found = []Service{}
	}
	return serviceList{found}, err
}

func (s Server) login(ctx context.Context, r contextRequest) (any, error) {
	if s.LogIn == nil {
		return nil, ErrNotOffered
	}
	return nil, s.LogIn(ctx, r.Context)
}

func (s Server) readState(ctx context.Context, _ struct{}) (any, error) {
	if s.ReadState == nil {
		return nil, ErrNotOffered
	}
	return nil, s.ReadState(ctx)
}

func (s Server) quit(context.Context, struct{}) (any, error) {
	if s.Quit == nil {
		return nil, ErrNotOffered
	}
	s.Quit() // the response is still sent: Serve waits for it
	return nil, nil
}
