// Package controlplane runs the four programs of a Kubernetes control plane as children on free loopback addresses,
// with their own credentials. It is not a production set-up: etcd does not sync to disk, nothing is replicated, and
// anyone who can read the state directory controls the cluster.
package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"fairlead/build/cluster/pki"
	"fairlead/build/cluster/process"
)

// pollInterval is how often the readiness of a starting component is checked.
const pollInterval = 20 * time.Millisecond

// Config describes what to run. All fields except Port, NodeAddress, Audit, Controllers and Fill are required.
type Config struct {
	// State is a private directory for data, credentials and logs.
	State string
	// Executable contains the components; each runs when argv[0] is its name.
	Executable string
	// Port is the API server's port on the loopback interface; 0 means a free one.
	Port uint16
	// NodeAddress, unless nil, is another address of the node than 127.0.0.1, for its certificate.
	NodeAddress net.IP
	// Audit makes the API server write STATE/audit.log at level Metadata.
	Audit bool
	// Controllers also starts the controller manager and the scheduler.
	Controllers bool
	// Fill, unless nil, writes the cluster's first objects into etcd before the API server starts.
	Fill func(ctx context.Context, etcd string) error
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	// Server is the API server's URL.
	Server string
	// Authority signs the cluster's certificates and is what clients trust.
	Authority *pki.Authority

	config    Config
	address   reservation
	middlebox []login
	children  []*process.Child
	ended     chan error
}

// Start writes the credentials, starts the components and returns when the API server reports that it is ready. It must
// be called from a goroutine that is locked to its thread, as process.Start requires. On an error it stops what it has
// started.
func Start(ctx context.Context, config Config) (_ *ControlPlane, err error) {
	c := &ControlPlane{config: config, ended: make(chan error, 4)}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if c.address, err = reserve(config.Port); err != nil {
		return nil, fmt.Errorf("reserve a port for the API server: %w", err)
	}
	c.Server = "https://" + c.address.String()
	if err := c.writeCredentials(); err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	if err := c.start(ctx, "etcd", c.etcdFlags()); err != nil {
		return nil, err
	}
	// The API server retries etcd only a second after a refused connection.
	if err := c.poll(ctx, "etcd", c.etcdListens); err != nil {
		return nil, err
	}
	if config.Fill != nil {
		if err := config.Fill(ctx, "unix://"+c.path(etcdSocket)); err != nil {
			return nil, err
		}
	}
	if err := c.start(ctx, "kube-apiserver", c.apiserverFlags()); err != nil {
		return nil, err
	}
	ready, err := c.readiness()
	if err != nil {
		return nil, err
	}
	if err := c.poll(ctx, "kube-apiserver", ready); err != nil {
		return nil, err
	}
	if !config.Controllers {
		return c, nil
	}
	if err := c.start(ctx, "kube-controller-manager", c.controllerManagerFlags()); err != nil {
		return nil, err
	}
	if err := c.start(ctx, "kube-scheduler", c.schedulerFlags()); err != nil {
		return nil, err
	}
	return c, nil
}

// Ended returns a channel with the error of each component that ends before Stop is called.
func (c *ControlPlane) Ended() <-chan error { return c.ended }

// Stop stops the components in the reverse of the order they were started in, within 2.5 s whatever they do.
func (c *ControlPlane) Stop() {
	for i := len(c.children) - 1; i >= 0; i-- {
		// Without a grace period: the API server would wait for its watches to end.
		c.children[i].Stop(600 * time.Millisecond)
	}
	c.children = nil
	c.address.release()
}

func (c *ControlPlane) path(elements ...string) string {
	return filepath.Join(append([]string{c.config.State}, elements...)...)
}

func (c *ControlPlane) start(ctx context.Context, name string, flags []string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	argv := append([]string{name}, flags...)
	child, err := process.Start(process.Config{
		Executable: c.config.Executable, Argv: argv, Dir: c.config.State, Log: c.path(name + ".log"),
	})
	if err != nil {
		return err
	}
	c.children = append(c.children, child)
	go func() {
		<-child.Done()
		c.ended <- child.Err()
	}()
	return nil
}

// poll waits until ready returns true, or returns the reason why that cannot happen.
func (c *ControlPlane) poll(ctx context.Context, name string, ready func(context.Context) bool) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !ready(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", name, context.Cause(ctx))
		case err := <-c.ended:
			return fmt.Errorf("wait for %s: %w", name, err)
		case <-ticker.C:
		}
	}
	return nil
}

func (c *ControlPlane) etcdListens(context.Context) bool {
	_, err := os.Stat(c.path(etcdSocket))
	return err == nil
}

// readiness returns a check of the API server's /readyz with the administrator's certificate.
func (c *ControlPlane) readiness() (func(context.Context) bool, error) {
	pair, err := tls.LoadX509KeyPair(c.path("pki", "admin.crt"), c.path("pki", "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("administrator's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.Authority.CertPEM) {
		return nil, errors.New("cluster authority: no certificate")
	}
	client := &http.Client{
		Timeout: time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}},
		},
	}
	return func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Server+"/readyz", nil)
		if err != nil {
			return false
		}
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err == nil && response.StatusCode == http.StatusOK
	}, nil
}
