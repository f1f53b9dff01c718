package kubeconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

// written returns a kubeconfig file with one context, whose user logs in by a provider.
func written(t *testing.T, content string) (path string, entry *ProviderEntry) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	return path, providerOf(t, path)
}

func providerOf(t *testing.T, path string) *ProviderEntry {
	t.Helper()
	k := Load(path)
	config, _, err := k.RESTConfig("test")
	if err != nil {
		t.Fatal(err)
	}
	entry, ok := config.AuthConfigPersister.(*ProviderEntry)
	if !ok {
		t.Fatalf("%T", config.AuthConfigPersister)
	}
	return entry
}

const providerConfig = `# mine
apiVersion: v1
kind: Config
preferences: {}
current-context: test
clusters:
- name: c
  cluster:
    server: https://127.0.0.1:1 # the near one
    certificate-authority-data: ` + providerPEM + `
contexts:
- name: test
  context: {cluster: c, user: u}
users:
- name: other
  user: {auth-provider: {name: oidc, config: {idp-issuer-url: "https://id.example", client-id: x, refresh-token: theirs}}}
- name: u
  user:
    auth-provider:
      name: oidc
      config:
        idp-issuer-url: https://id.example # of the company
        client-id: x
        refresh-token: old
`

// providerPEM is the base64 of a PEM block of type CERTIFICATE without content.
const providerPEM = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"

func TestRenewedTokensAreAllThatChangesInAKubeconfig(t *testing.T) {
	path, entry := written(t, providerConfig)
	before, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := entry.Save(map[string]string{"id-token": "a.b.c", "refresh-token": "new: # 'odd'"}); err != nil {
		t.Fatal(err)
	}
	after, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	settings := before.AuthInfos["u"].AuthProvider.Config
	settings["id-token"], settings["refresh-token"] = "a.b.c", "new: # 'odd'"
	if !reflect.DeepEqual(before, after) {
		t.Errorf("have %+v, want %+v", after, before)
	}
	data, err := os.ReadFile(path)
	for _, comment := range []string{"# mine", "# the near one", "# of the company"} {
		if err != nil || !strings.Contains(string(data), comment) {
			t.Errorf("no %q in %s, %v", comment, data, err)
		}
	}
	if loaded, err := entry.Load(); err != nil || !reflect.DeepEqual(loaded, settings) {
		t.Errorf("loaded %v, %v", loaded, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestTokensAreSavedInEveryFormOfAKubeconfig(t *testing.T) {
	json := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": %q}}],
"contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
"users": [{"name": "u", "user": {"auth-provider": {"name": "oidc", "config": {"idp-issuer-url": "https://id.example", "client-id": "x"}}}}]}`, providerPEM)
	for name, content := range map[string]string{
		"JSON":           json,
		"an alias":       strings.Replace(providerConfig, "refresh-token: theirs", "refresh-token: &shared theirs, id-token: *shared", 1),
		"a token shared": strings.Replace(strings.Replace(providerConfig, "refresh-token: old", "refresh-token: *shared", 1), "theirs", "&shared theirs", 1),
		"a merged part":  strings.Replace(strings.Replace(providerConfig, "config: {idp", "config: &base {idp", 1), "refresh-token: old", "<<: *base", 1),
		"a broken entry": strings.Replace(providerConfig, "- name: other\n", "- name: broken\n  user: 5\n- name: other\n", 1),
	} {
		path, entry := written(t, content)
		others, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := entry.Save(map[string]string{"id-token": "a.b.c", "refresh-token": "new"}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		loaded, err := entry.Load()
		if err != nil || loaded["id-token"] != "a.b.c" || loaded["refresh-token"] != "new" || loaded["client-id"] != "x" {
			t.Errorf("%s: loaded %v, %v", name, loaded, err)
		}
		before := parseKubeconfig(others)
		now := Load(path)
		if had, has := before.config.AuthInfos["other"], now.merged.config.AuthInfos["other"]; had != nil && !reflect.DeepEqual(had.AuthProvider, has.AuthProvider) {
			t.Errorf("%s: another user has %v, had %v", name, has.AuthProvider, had.AuthProvider)
		}
		if len(now.merged.broken) != len(before.broken) {
			t.Errorf("%s: broken entries are %v", name, now.merged.broken)
		}
	}
}

func TestALinkToAKubeconfigStays(t *testing.T) {
	path, _ := written(t, providerConfig)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := providerOf(t, link).Save(map[string]string{"refresh-token": "new"}); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if loaded, err := providerOf(t, path).Load(); err != nil || loaded["refresh-token"] != "new" {
		t.Errorf("%v, %v", loaded, err)
	}
}

// Two programs that save at once, such as kubectl and this one, lose nothing of each other's, and a reader always sees
// a whole file.
func TestSavingIsOneAtATime(t *testing.T) {
	path, entry := written(t, providerConfig)
	stop := make(chan struct{})
	var reading, saving sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if loaded, err := entry.Load(); err != nil || loaded["client-id"] != "x" {
				t.Errorf("a reader has %v, %v", loaded, err)
				return
			}
		}
	})
	for i := range 4 {
		saving.Go(func() {
			if err := providerOf(t, path).Save(map[string]string{fmt.Sprintf("key-%d", i): "v"}); err != nil {
				t.Error(err)
			}
		})
	}
	saving.Wait()
	close(stop)
	reading.Wait()
	loaded, err := entry.Load()
	for i := range 4 {
		if err != nil || loaded[fmt.Sprintf("key-%d", i)] != "v" {
			t.Errorf("key-%d is lost of %v, %v", i, loaded, err)
		}
	}
}

func TestADeletedUserIsNotWrittenAgain(t *testing.T) {
	path, entry := written(t, providerConfig)
	gone := strings.ReplaceAll(providerConfig, "name: oidc", "name: gcp")
	if err := os.WriteFile(path, []byte(gone[:strings.Index(gone, "- name: u\n")]), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := entry.Save(map[string]string{"refresh-token": "hunter2"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file is %s, %v", after, err)
	}
}
