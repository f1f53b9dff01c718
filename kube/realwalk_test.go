package kube

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"k8s.io/client-go/tools/clientcmd"

	"fairlead/build/clustertest"
	"fairlead/kube/fault"
)

// open runs a Cluster that is expected to fail.
func open(t *testing.T, kubeconfig, context string) *Cluster {
	t.Helper()
	c, err := Open(Config{Kubeconfig: kubeconfig, Context: context})
	if err != nil {
		t.Fatal(err)
	}
	run(t, c)
	return c
}

// changed returns a copy of a kubeconfig with a change.
func changed(t *testing.T, kubeconfig string, change func(*clientcmdapi.Config)) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	path := filepath.Join(t.TempDir(), "config")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func walked(t *testing.T, c *Cluster, target string, direct Dial) (names []string, steps map[string]Step, last error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	steps = map[string]Step{}
	c.Walk(ctx, target, Outside{Dial: direct}, func(s Step) {
		names = append(names, s.Name)
		steps[s.Name] = s
		if last != nil {
			t.Errorf("step %s follows on %v", s.Name, last)
		}
		last = s.Err
		if s.Took <= 0 && s.Err == nil {
			t.Errorf("step %s took %v", s.Name, s.Took)
		}
	})
	return names, steps, last
}

var toRights = []string{StepKubeconfig, StepCredentials, StepServer, StepRights}

func walksThatHold(t *testing.T, cluster *clustertest.Cluster) {
	makeForms(t, cluster)
	c := openReal(t, cluster.Kubeconfig, "demo")
	out := &outsideDialer{}
	c.SetPolicy(Policy{HostNetwork: true, Outside: out.dial})
	toName := append(slices.Clone(toRights), StepName)
	whole := append(slices.Clone(toRights), StepName, StepService, StepEndpoints, StepPod, StepPort)
	podIP := field(t, cluster, ".status.podIP", "pod", "manual")
	serviceIP := field(t, cluster, ".spec.clusterIP", "service", "hello")
	for target, want := range map[string][]string{
		"":                        toRights,
		"hello":                   whole,
		"hello:80":                whole,
		"hello:http":              whole,
		"db-0.db:db":              whole,
		serviceIP + ":http":       whole,
		"hello.default.svc:80":    whole,
		serviceIP + ":80":         whole,
		podIP + ":8080":           append(slices.Clone(toRights), StepName, StepPod, StepPort),
		"db-0.db:5432":            whole,
		"db:5432":                 whole,
		"manual.default.pod:8080": append(slices.Clone(toRights), StepName, StepPod, StepPort),
		// Hosts outside are dialled as well: by the caller's direct, or by the policy's Outside if a Service leads there.
		"www.example.com:443":   {StepKubeconfig, StepName, StepOutside},
		"www.example.com:https": {StepKubeconfig, StepName, StepOutside},
		"www.example.com":       {StepKubeconfig, StepName},
		"example.com:443":       {StepKubeconfig, StepCredentials, StepServer, StepName, StepOutside},
		"10.7.7.7:22":           append(slices.Clone(toName), StepOutside),
		"external:80":           append(slices.Clone(toName), StepService, StepEndpoints, StepOutside),
		"app.team:80":           {StepKubeconfig, StepCredentials, StepServer, StepName, StepRights, StepService, StepEndpoints, StepPod, StepPort},
		"site.forms:443":        append(slices.Clone(toName), StepService, StepOutside),
		"site.forms":            append(slices.Clone(toName), StepService),
	} {
		direct := &outsideDialer{}
		names, steps, err := walked(t, c, target, direct.dial)
		if d := steps[StepOutside].Detail; steps[StepOutside].Name != "" && !strings.Contains(d, " is open after ") {
			t.Errorf("%q: outside %q", target, d)
		}
		if own := strings.HasPrefix(target, "www.example.com:") || target == "example.com:443" || target == "10.7.7.7:22"; own != slices.Equal(direct.went, []string{"tcp " + strings.Replace(target, "https", "443", 1)}) {
			t.Errorf("%q: went directly to %q", target, direct.went)
		}
		if took := steps[StepPort].Took; took >= time.Second {
			t.Errorf("%q: that a port is open was known after %v", target, took)
		}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("%q: %v, %v", target, names, err)
		}
		if d := steps[StepServer].Detail; slices.Contains(names, StepServer) && (!strings.Contains(d, "TCP ") || !strings.Contains(d, "TLS ") || !strings.Contains(d, "Kubernetes v1.")) {
			t.Errorf("%q: API server %q", target, d)
		}
		if d := steps[StepKubeconfig].Detail; !strings.HasPrefix(d, cluster.Kubeconfig+": ") || !strings.HasSuffix(d, "namespace default") {
			t.Errorf("%q: kubeconfig %q", target, d)
		}
		if d := steps[StepCredentials].Detail; slices.Contains(names, StepServer) && !strings.HasPrefix(d, "client certificate, valid until 2") {
			t.Errorf("%q: credentials %q", target, d)
		}
		if d, there := steps[StepPort]; there && !strings.Contains(d.Detail, " is open after ") || strings.Contains(d.Detail, ",") {
			t.Errorf("%q: port %q", target, d.Detail)
		}
	}
	slices.Sort(out.went)
	if want := []string{"tcp 192.0.2.10:8080", "tcp www.example.com:443"}; !slices.Equal(out.went, want) {
		t.Errorf("by the policy's way it went to %q, want %q", out.went, want)
	}
}

// walksThatBreak makes one walk for each step that can fail.
func walksThatBreak(t *testing.T, cluster *clustertest.Cluster) {
	admin := func(change func(c *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo)) string {
		return changed(t, cluster.Kubeconfig, func(config *clientcmdapi.Config) {
			context := config.Contexts["demo"]
			change(config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo])
		})
	}
	missing := admin(func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			Command: "fairlead-no-such-plugin", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}}
	})
	unknown := admin(func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{Token: "s3cret-and-wrong"}
	})
	expired := admin(func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		*u = clientcmdapi.AuthInfo{Token: "e30.eyJleHAiOjE1MTYyMzkwMjJ9.s3cret"} // {"exp":1516239022}
	})
	away := admin(func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.Server = "https://127.0.0.1:1" })
	for _, test := range []struct {
		kubeconfig, context, target string
		step                        string
		is                          func(error) bool
	}{
		{missing, "demo", "hello:80", StepCredentials, func(err error) bool {
			return isLogin(err, fault.PluginMissing)
		}},
		{expired, "demo", "hello:80", StepServer, func(err error) bool { return isLogin(err, fault.LoginExpired) }},
		{unknown, "demo", "hello:80", StepServer, func(err error) bool { return isLogin(err, fault.LoginRefused) }},
		{away, "demo", "hello:80", StepServer, isUnreachable},
		{cluster.KubeconfigToken, "demo-reader", "app:80", StepRights, func(err error) bool {
			var e *fault.Forbidden
			return errors.As(err, &e) && e.Resource == "pods/portforward" && len(e.Verbs) == 2 && e.Namespace == "team"
		}},
		{cluster.Kubeconfig, "demo-team", "hello.default:80", StepRights, func(err error) bool {
			var e *fault.Forbidden
			return errors.As(err, &e) && e.Resource == "services" && e.Namespace == "default"
		}},
		{cluster.Kubeconfig, "demo", "10.244.255.254:80", StepName, func(err error) bool { return isAbsent(err, fault.Address) }},
		{cluster.Kubeconfig, "demo", "lost:80", StepService, func(err error) bool { return isAbsent(err, fault.Service) }},
		{cluster.Kubeconfig, "demo", "db-9.db:5432", StepService, func(err error) bool { return isAbsent(err, fault.Pod) }},
		{cluster.Kubeconfig, "demo", "db:5433", StepPort, isRefusal},
		{cluster.Kubeconfig, "demo", "_echo._tcp.db.default.svc:5432", StepName, func(err error) bool { return isAbsent(err, fault.Name) }},
		{cluster.Kubeconfig, "demo", "hello.nowhere:80", StepService, func(err error) bool { return isAbsent(err, fault.Namespace) }},
		{cluster.Kubeconfig, "demo", "hello:8080", StepService, func(err error) bool { return isAbsent(err, fault.Port) }},
		{cluster.Kubeconfig, "demo", "hello:grpc", StepService, func(err error) bool { return isAbsent(err, fault.Port) }},
		{cluster.Kubeconfig, "demo", "lost:http", StepService, func(err error) bool { return isAbsent(err, fault.Service) }},
		{cluster.Kubeconfig, "demo", "lost.default.pod:http", StepPod, func(err error) bool { return isAbsent(err, fault.Pod) }},
		{cluster.Kubeconfig, "demo", "www.example.com:grpc", StepName, func(err error) bool { return errors.As(err, new(*net.DNSError)) }},
		{cluster.Kubeconfig, "demo", "not-ready:80", StepEndpoints, func(err error) bool { return errors.As(err, new(*fault.NoEndpoints)) }},
		{cluster.Kubeconfig, "demo", "external:80", StepEndpoints, func(err error) bool { return errors.As(err, new(*fault.Unsupported)) }},
		{cluster.Kubeconfig, "demo", "lost.default.pod:80", StepPod, func(err error) bool { return isAbsent(err, fault.Pod) }},
		{cluster.Kubeconfig, "demo", "refused:80", StepPort, isRefusal},
		{away, "demo", "www.example.com:80", StepOutside, func(err error) bool { return err.Error() == "refused out there" }},
	} {
		c := open(t, test.kubeconfig, test.context)
		direct := &outsideDialer{refuse: "www.example.com"}
		names, steps, err := walked(t, c, test.target, direct.dial)
		if at := names[len(names)-1]; at != test.step || err == nil || !test.is(err) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: breaks at %s: %v, want %s", test.target, at, err, test.step)
		}
		for _, s := range steps {
			if strings.Contains(s.Detail, "s3cret") {
				t.Errorf("secret in %q", s.Detail)
			}
		}
	}
}

// walksSuggest tests the suggestions for the name of a Service that does not exist.
func walksSuggest(t *testing.T, cluster *clustertest.Cluster) {
	for _, test := range []struct {
		context, target string
		want            fault.NotFound
	}{
		{"demo", "app:80", fault.NotFound{Kind: fault.Service, Name: "app", Namespace: "default", Elsewhere: []string{"team"}}},
		{"demo", "app:http", fault.NotFound{Kind: fault.Service, Name: "app", Namespace: "default", Elsewhere: []string{"team"}}},
		{"demo", "helo:80", fault.NotFound{Kind: fault.Service, Name: "helo", Namespace: "default", Near: []string{"hello"}}},
		{"demo-team", "hello:80", fault.NotFound{Kind: fault.Service, Name: "hello", Namespace: "team"}},
	} {
		_, _, err := walked(t, open(t, cluster.Kubeconfig, test.context), test.target, (&outsideDialer{}).dial)
		if facts(err) != facts(&test.want) {
			t.Errorf("%s in %s: %s, want %s", test.target, test.context, facts(err), facts(&test.want))
		}
	}
}

func isLogin(err error, cause fault.LoginCause) bool {
	var login *fault.Login
	return errors.As(err, &login) && login.Cause == cause
}
