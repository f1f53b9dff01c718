package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// EgressName is the name of the upstream that a context has while there is a forward proxy of Fairlead's in its cluster.
const EgressName = "fairlead-egress"

// An Egress is a forward proxy in a context's cluster that Fairlead has deployed, or found there and uses. The zero Egress
// means that there is none.
type Egress struct {
	Namespace string `json:"namespace"`
	URL       string `json:"url"` // by which it is reached through the context

	// What was asked for, if that was another kind of proxy than the usual one.
	Kind      string `json:"kind,omitempty"`
	Image     string `json:"image,omitempty"`
	TLSSecret string `json:"tlsSecret,omitempty"`

	// CA, Cert and Key are the files of its upstream; empty for those that it does not need.
	CA   string `json:"ca,omitempty"`
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`

	// The UIDs of the objects that were made for it. They are empty for those that were there already.
	Secret     string `json:"secret,omitempty"`
	Service    string `json:"service,omitempty"`
	Deployment string `json:"deployment,omitempty"`
}

// egressState is an Egress, and the route that was chosen before it became the context's; Before is meaningless while Used
// is false.
type egressState struct {
	Egress
	Used   bool   `json:"used,omitempty"`
	Before choice `json:"before,omitzero"`
}

// upstream returns the egress as an upstream.
func (e Egress) upstream() Upstream {
	u := Upstream{Name: EgressName, InCluster: true, CA: e.CA, Cert: e.Cert, Key: e.Key}
	via, err := url.Parse(e.URL)
	if err != nil || via.Host == "" {
		u.Problem = fmt.Sprintf("the state file has no address of %s", EgressName) // users may edit it
		return u
	}
	u.URL = via
	return u
}

// withEgress returns the upstreams of a context in whose cluster there may be an egress.
func withEgress(upstreams map[string]Upstream, e Egress) map[string]Upstream {
	if e == (Egress{}) {
		return upstreams
	}
	return with(upstreams, EgressName, e.upstream())
}

// An EgressRecord saves the egress of one context. Its methods are like those of Settings that save something.
type EgressRecord struct {
	settings *Settings
	name     string // of the context
}

// EgressOf returns the record of a context's egress.
func (s *Settings) EgressOf(name string) EgressRecord { return EgressRecord{s, name} }

func (r EgressRecord) change(do func(*contextState)) error {
	return r.settings.store.change(r.name, do)
}

// Keep saves what is deployed, or used, as the egress. It does not change the context's routes.
func (r EgressRecord) Keep(e Egress) error {
	return r.change(func(c *contextState) { c.Egress.Egress = e })
}

// Use makes the egress the context's route for hosts outside.
func (r EgressRecord) Use() error {
	written := string(r.settings.Config().written(r.name).Outside)
	return r.change(func(c *contextState) {
		if !c.Egress.Used {
			c.Egress.Used, c.Egress.Before = true, c.Outside
		}
		c.Outside = choose(EgressName, written)
	})
}

// Leave makes the context's route for hosts outside the one that it was before Use, unless another one was chosen
// meanwhile.
func (r EgressRecord) Leave() error {
	return r.change(func(c *contextState) {
		if c.Egress.Used && c.Outside.Value == EgressName {
			c.Outside = c.Egress.Before
		}
		c.Egress.Used, c.Egress.Before = false, choice{}
	})
}

// Forget removes what Keep and KeepCertificates saved.
func (r EgressRecord) Forget() error {
	if folder, err := r.certificateFolder(); err == nil {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return r.change(func(c *contextState) { c.Egress = egressState{} })
}

// KeepCertificates saves the files with which the egress is an upstream, for this user alone, and returns e with their
// paths.
func (r EgressRecord) KeepCertificates(e Egress, ca, cert, key []byte) (Egress, error) {
	folder, err := r.certificateFolder()
	if err != nil {
		return e, err
	}
	// What is there is of an egress that is gone. A folder of its own cannot have been prepared by another user.
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700)); err != nil {
		return e, err
	}
	for _, f := range []struct {
		name    string
		path    *string
		content []byte
	}{{"ca.crt", &e.CA, ca}, {"client.crt", &e.Cert, cert}, {"client.key", &e.Key, key}} {
		*f.path = filepath.Join(folder, f.name)
		if err := os.WriteFile(*f.path, f.content, 0o600); err != nil {
			return e, err
		}
	}
	return e, nil
}

// Files returns the files that the egress names.
func (e Egress) Files() []string { return named(e.CA, e.Cert, e.Key) }

// HasCertificates reports whether the files of EgressRecord.KeepCertificates are there.
func (e Egress) HasCertificates() bool {
	for _, file := range []string{e.CA, e.Cert, e.Key} {
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// certificateFolder returns the folder of KeepCertificates, whose name is made of a hash, because a context's name may have
// any characters.
func (r EgressRecord) certificateFolder() (string, error) {
	dir := r.settings.store.dir
	if dir == "" {
		return "", errors.New("there is no directory for state, to keep a certificate in")
	}
	sum := sha256.Sum256([]byte(r.name))
	return filepath.Join(dir, "egress", hex.EncodeToString(sum[:8])), nil
}
