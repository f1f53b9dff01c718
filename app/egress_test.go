package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/build/proxytest"
)

// ready is an image whose program the streaming node has, so that a Pod of it becomes ready.
const ready = "demo.local/echo:1"

// egressNamespace makes a namespace for a test, which enforces the Pod Security level restricted, with more objects in it.
func egressNamespace(t *testing.T, name, more string) string {
	t.Helper()
	apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+name+", labels: {pod-security.kubernetes.io/enforce: restricted}}\n"+more)
	return name
}

// objects returns the names and UIDs of what there is of the egress in a namespace, its Pods and ReplicaSets included.
func objects(t *testing.T, namespace string) string {
	t.Helper()
	return kubectl(t, "get", "services,deployments,replicasets,pods,endpointslices,configmaps,secrets", "-n", namespace,
		"--field-selector", "metadata.name!=kube-root-ca.crt", "-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{"\n"}{end}`)
}

// egressStatus is what the command says of the egress of demo.
type egressStatus struct {
	Namespace                string
	There, Ready, Own, Route bool
	Image, Sentence, Hint    string
	Kind, TLSSecret          string
	Env                      []struct{ Name, Value string }
}

// egress runs an egress command with the home directory of r.
func (r *running) egress(t *testing.T, args ...string) said {
	t.Helper()
	return r.ask(t, append([]string{"egress", "--kubeconfig", cluster.Kubeconfig}, args...)...)
}

// mustEgress is egress for commands that must succeed.
func (r *running) mustEgress(t *testing.T, args ...string) string {
	t.Helper()
	return r.must(t, append([]string{"egress", "--kubeconfig", cluster.Kubeconfig}, args...)...)
}

func (r *running) egressStatus(t *testing.T, args ...string) (s egressStatus) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.mustEgress(t, append([]string{"status", "demo", "-o", "json"}, args...)...)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The life of a proxy that is deployed by a command: it is asked for, fits the Pod Security level restricted, becomes the
// route of the running context, carries a connection to a host that only it knows, and is removed with nothing left.
func TestAnEgressIsDeployedUsedAndRemoved(t *testing.T) {
	namespace := egressNamespace(t, "egress-used", "")
	r, address := servingAt(t, "contexts: {demo: {outside: refuse}}\n")
	page := "http://db.corp.example:" + corpSite(t) + "/"
	if got := curl(t, "http://"+address, page); !strings.HasSuffix(got, " 403") {
		t.Fatalf("before: %s", got)
	}
	got := r.egress(t, "deploy", "demo", "-n", namespace, "--image", ready)
	if got.status != 1 || !strings.Contains(got.stderr, "no terminal to ask on") || !strings.Contains(got.stderr, "Deployment fairlead-egress") {
		t.Errorf("without --yes: %+v", got)
	}
	if left := objects(t, namespace); left != "" {
		t.Fatalf("made without being asked for:\n%s", left)
	}
	got = r.egress(t, "deploy", "demo", "-n", namespace, "--image", ready, "--yes")
	if got.status != 0 || got.stdout != "demo  hosts outside go through egress-used/fairlead-egress\n" || !strings.Contains(got.stderr, "demo  Deployment egress-used/fairlead-egress made") {
		t.Fatalf("deploy: %+v", got)
	}
	if s := r.egressStatus(t); !s.There || !s.Ready || !s.Own || !s.Route || s.Namespace != namespace || s.Image != ready {
		t.Errorf("status: %+v", s)
	}
	if text := r.mustEgress(t, "status", "demo"); !strings.Contains(text, "ready, context demo") || !strings.Contains(text, "- name: HTTPS_PROXY\n  value: http://fairlead-egress.egress-used.svc:8888\n") {
		t.Errorf("status for people:\n%s", text)
	}
	// The streaming node has no tinyproxy, but doors to programs of this machine.
	door := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"fairlead.test/program":"door","fairlead.test/door":%q}}}}}`, proxytest.Tinyproxy(t, corpHosts).Address)
	kubectl(t, "patch", "deployment", "fairlead-egress", "-n", namespace, "-p", door)
	kubectl(t, "rollout", "status", "deployment", "fairlead-egress", "-n", namespace, "--timeout=60s")
	eventually(t, "the page through the egress", func() bool { return curl(t, "socks5h://"+address, page) == "from corp 200" })

	if again := r.mustEgress(t, "deploy", "demo"); again != "demo  hosts outside go through egress-used/fairlead-egress\n" {
		t.Errorf("deployed again: %s", again)
	}
	if got := r.mustEgress(t, "remove", "demo"); got != "demo  egress removed\n" {
		t.Errorf("remove: %s", got)
	}
	if left := objects(t, namespace); left != "" {
		t.Errorf("left:\n%s", left)
	}
	if got := curl(t, "http://"+address, page); !strings.HasSuffix(got, " 403") {
		t.Errorf("after: %s", got)
	}
	if s := r.egressStatus(t); s.There || s.Route || s.Env != nil {
		t.Errorf("status after: %+v", s)
	}
	if got := r.mustEgress(t, "remove", "demo"); !strings.Contains(got, "there was no egress") {
		t.Errorf("removed again: %s", got)
	}
}

// servingAt is servingBy for demo, and returns its address, too.
func servingAt(t *testing.T, config string) (r *running, address string) {
	t.Helper()
	r = servingBy(t, config, "demo")
	address, ok := strings.CutPrefix(strings.TrimSpace(r.must(t, "on", "demo")), "demo  socks5h://")
	if !ok {
		t.Fatalf("on: %s", address)
	}
	return r, address
}

// What keeps a proxy from being ready is said, and what was made is removed by the command.
func TestAnEgressThatCannotBeReadySaysWhy(t *testing.T) {
	limits := "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: small, namespace: egress-limits}\nspec: {limits: [{type: Container, max: {memory: 64Mi}}]}\n"
	quota := "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few, namespace: %s}\nspec: {hard: {%s: 0}}\n"
	for name, row := range map[string]struct{ image, quota, more, want string }{
		"egress-image":       {image: "demo.local/nonsense:1", want: "The container of Deployment egress-image/fairlead-egress does not start: CreateContainerError"},
		"egress-quota":       {image: ready, quota: "pods", want: "The quota of namespace egress-quota has no room for the Pod of Deployment egress-quota/fairlead-egress"},
		"egress-limits":      {image: ready, more: limits, want: "The cluster does not admit the Pod of Deployment egress-limits/fairlead-egress: pods \"fairlead-egress-"},
		"egress-few":         {image: ready, quota: "count/deployments.apps", want: "The cluster did not let your login create Deployments in namespace egress-few: "},
		"egress-nonexistent": {image: ready, want: `The cluster did not let your login create Services in namespace egress-nonexistent: namespaces "egress-nonexistent" not found`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if row.quota != "" {
				egressNamespace(t, name, fmt.Sprintf(quota, name, row.quota))
				// The cluster has no controller for quotas.
				kubectl(t, "patch", "resourcequota", "few", "-n", name, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(`{"status":{"hard":{%q:"0"},"used":{%[1]q:"0"}}}`, row.quota))
			} else if name != "egress-nonexistent" {
				egressNamespace(t, name, row.more)
			}
			r := &running{state: t.TempDir()}
			got := r.egress(t, "deploy", "demo", "-n", name, "--image", row.image, "--yes")
			if got.status != 1 || !strings.Contains(got.stderr, row.want) {
				t.Errorf("%+v, want %s", got, row.want)
			}
			if s := r.egressStatus(t); s.Route {
				t.Errorf("it is the route: %+v", s)
			}
			r.mustEgress(t, "remove", "demo")
			if name == "egress-nonexistent" {
				return
			}
			if left := objects(t, name); left != "" {
				t.Errorf("left:\n%s", left)
			}
		})
	}
}

// An object of the same name that is not Fairlead's is neither changed nor removed.
func TestAForeignObjectIsLeftAlone(t *testing.T) {
	namespace := egressNamespace(t, "egress-foreign", "---\napiVersion: v1\nkind: Service\nmetadata: {name: fairlead-egress, namespace: egress-foreign}\nspec: {ports: [{port: 80}]}\n")
	before := objects(t, namespace)
	r := &running{state: t.TempDir()}
	for _, line := range []string{"deploy demo --yes -n egress-foreign", "remove demo -n egress-foreign"} {
		got := r.egress(t, strings.Fields(line)...)
		if want := "There is a Service egress-foreign/fairlead-egress already, which Fairlead has not made, so it is left as it is."; got.status != 1 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	if after := objects(t, namespace); after != before {
		t.Errorf("there is\n%safter\n%s", after, before)
	}
}

// A proxy that another Fairlead has made is used, and not removed. One that is made in its place later is not removed either.
func TestWhatAnotherHasMadeIsUsedAndStays(t *testing.T) {
	namespace := egressNamespace(t, "egress-shared", "")
	first, second := &running{state: t.TempDir()}, &running{state: t.TempDir()}
	deploy := []string{"deploy", "demo", "-n", namespace, "--yes"}
	remove := []string{"remove", "demo", "-n", namespace}
	first.mustEgress(t, append(deploy, "--image", ready)...)
	second.mustEgress(t, deploy...)
	if s := second.egressStatus(t); !s.There || s.Own || !s.Route {
		t.Errorf("of another: %+v", s)
	}
	if got := second.egress(t, append(deploy, "--image", "demo.local/http:1")...); got.status != 1 || !strings.Contains(got.stderr, "is there already, with the image demo.local/echo:1 instead of demo.local/http:1") {
		t.Errorf("another image: %+v", got)
	}
	before := objects(t, namespace)
	second.mustEgress(t, remove...)
	if after := objects(t, namespace); after != before {
		t.Errorf("another's was removed: \n%safter\n%s", after, before)
	}
	if got := second.egress(t, remove...); got.status != 1 || !strings.Contains(got.stderr, "was made by another Fairlead or from a manifest, so it is left as it is. If nobody needs it, “kubectl --context demo delete deployment,service,secret fairlead-egress -n egress-shared” removes it.") {
		t.Errorf("remove what is another's: %+v", got)
	}
	kubectl(t, "delete", "deployment,service", "fairlead-egress", "-n", namespace)
	second.mustEgress(t, append(deploy, "--image", ready)...)
	before = objects(t, namespace)
	first.mustEgress(t, remove...)
	if after := objects(t, namespace); after != before {
		t.Errorf("what has another UID was removed: \n%safter\n%s", after, before)
	}
	second.mustEgress(t, remove...)
	if left := objects(t, namespace); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// A user who may not deploy gets the rights that are missing, and a manifest for someone who has them, whose proxy is used.
func TestWithoutTheRightsThereIsAManifest(t *testing.T) {
	r := &running{state: t.TempDir()}
	deploy := []string{"deploy", "demo-team", "-n", "team", "--image", ready, "--yes"}
	got := r.egress(t, deploy...)
	if want := "Your login may not create, delete Services, nor get, create, delete Deployments in namespace team."; got.status != 1 || !strings.Contains(got.stderr, want) {
		t.Fatalf("%+v, want %s", got, want)
	}
	if manifest := r.mustEgress(t, "manifest", "demo-team", "-n", "team", "--image", ready); manifest != got.stdout {
		t.Errorf("it printed\n%swant\n%s", got.stdout, manifest)
	}
	apply(t, got.stdout)
	waitReadyIn(t, "team", "fairlead-egress")
	if got := r.mustEgress(t, deploy...); got != "demo-team  hosts outside go through team/fairlead-egress\n" {
		t.Errorf("deployed by another: %s", got)
	}
	if got := r.mustEgress(t, "remove", "demo-team"); got != "demo-team  there was no egress of this Fairlead in the cluster\n" {
		t.Errorf("remove: %s", got)
	}
}

// waitReadyIn waits until a Deployment has a ready Pod.
func waitReadyIn(t *testing.T, namespace, name string) {
	t.Helper()
	kubectl(t, "rollout", "status", "deployment", name, "-n", namespace, "--timeout=60s")
}

// On a terminal it asks: once, and in production twice.
func TestAnEgressIsAskedForAndInProductionTwice(t *testing.T) {
	for _, row := range []struct {
		name, settings, answers string
		questions               int
		made                    bool
	}{
		{"egress-no", "", "n\n", 1, false},
		{"egress-yes", "", "y\n", 1, true},
		{"egress-prod-no", "contexts: {demo: {production: true}}\n", "y\nn\n", 2, false},
		{"egress-prod-yes", "contexts: {demo: {production: true}}\n", "y\ny\n", 2, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			egressNamespace(t, row.name, "")
			r := &running{state: t.TempDir()}
			config := t.TempDir()
			writeFile(t, filepath.Join(config, "fairlead", "config.yaml"), row.settings)
			cmd := exec.CommandContext(t.Context(), "script", "-qec", built+" egress deploy demo --kubeconfig "+cluster.Kubeconfig+" --image "+ready+" -n "+row.name, "/dev/null")
			cmd.Env, cmd.Stdin = append(r.home(), "XDG_CONFIG_HOME="+config), strings.NewReader(row.answers)
			said, err := cmd.CombinedOutput()
			if got := strings.Count(string(said), "[y/N]"); got != row.questions || (err == nil) != row.made || strings.Contains(string(said), "not confirmed, so nothing was made") == row.made {
				t.Errorf("%d questions, %v:\n%s", got, err, said)
			}
			if made := objects(t, row.name) != ""; made != row.made {
				t.Errorf("made: %t", made)
			}
		})
	}
}
