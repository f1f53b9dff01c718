package session

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A moving proxy's endpoints change by themselves.
type moving struct {
	*proxy
	changed chan struct{}
	mutex   sync.Mutex
	now     Endpoints
}

func (p *moving) Changed() <-chan struct{} { return p.changed }

func (p *moving) Endpoints() Endpoints {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.now
}

func (p *moving) move(to Endpoints) {
	p.mutex.Lock()
	p.now = to
	p.mutex.Unlock()
	p.changed <- struct{}{}
}

// A local port that another program has is trouble of a context that serves otherwise, until it is open.
func TestAnEndpointThatIsNotOpenIsShownUntilItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProxies(t)
		forward := Endpoint{Address: "127.0.0.1:5432", Kind: ForwardEndpoint, Target: "db:5432", Protocol: "tcp"}
		taken := forward
		taken.Problem = "Port 5432 is taken by postgres."
		made := make(chan *moving, 1)
		m, stop := runManager(t, Config{Start: func(ctx context.Context, name string, restored bool, health func(error)) (Proxy, error) {
			started, err := p.Start(ctx, name, restored, health)
			if err != nil {
				return nil, err
			}
			one := &moving{proxy: started.(*proxy), changed: make(chan struct{}), now: append(ProxyAt("127.0.0.1:1080"), taken)}
			made <- one
			return one, nil
		}})
		do(t, m, SetContexts{Entries: []Entry{{Name: "a"}}})
		do(t, m, Set{Name: "a", On: true})
		one := <-made
		synctest.Wait()
		s := get(t, m, "a")
		if s.Phase != On || s.Trouble != PortTaken || s.Sign() != SignAttention || !strings.Contains(s.Reason, "db:5432: Port 5432 is taken by postgres.") {
			t.Errorf("with a port that is taken: %+v", s)
		}
		one.move(append(ProxyAt("127.0.0.1:1080"), forward))
		synctest.Wait()
		if s := get(t, m, "a"); s.Reason != "" || s.Sign() != SignOn || len(s.Endpoints.Forwards()) != 1 || s.Endpoints.Forwards()[0] != forward {
			t.Errorf("with a port that is open: %+v", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheURLOfAContextIsForProgramsOfThisMachine(t *testing.T) {
	for want, s := range map[string]State{
		"socks5h://127.0.0.1:1080": {Endpoints: ProxyAt("127.0.0.1:1080")},
		"socks5h://127.0.0.1:1081": {Endpoints: ProxyAt("0.0.0.0:1081"), Password: true},
		"https://127.0.0.1:1082":   {Endpoints: ProxyAt("[::]:1082"), TLS: true},
		"":                         {Endpoints: Endpoints{{Address: "127.0.0.1:5432", Kind: ForwardEndpoint}}},
	} {
		if got := s.URL(); got != want {
			t.Errorf("%+v: %q, want %q", s.Endpoints, got, want)
		}
	}
}
