package command

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestForwardUnderstandsItsOwnSpellingAndKubectls(t *testing.T) {
	for line, want := range map[string]string{
		"staging db.billing:5432":                        "staging 5432→db.billing:5432",
		"staging db.billing:5432 15432":                  "staging 15432→db.billing:5432",
		"staging web.shop:https 127.0.0.1:8443":          "staging 127.0.0.1:8443→web.shop:https",
		"staging db.billing 5432":                        "staging 5432→db.billing:5432",
		"staging svc/db 5432:5432":                       "staging 5432→db.ns.svc:5432",
		"staging svc/db 15432:postgres":                  "staging 15432→db.ns.svc:postgres",
		"staging service/db 127.0.0.2:15432:5432":        "staging 127.0.0.2:15432→db.ns.svc:5432",
		"staging pod/db-0 5432 9187":                     "staging 5432→db-0.ns.pod:5432 9187→db-0.ns.pod:9187",
		"staging deploy/web 8080":                        "staging 8080→web.ns.deployment.apps:8080",
		"staging sts/db 5432:pg":                         "staging 5432→db.ns.statefulset.apps:pg",
		"svc/db 5432":                                    " 5432→db.ns.svc:5432",
		"arn:aws:eks:eu-west-1:1:cluster/prod svc/db 80": "arn:aws:eks:eu-west-1:1:cluster/prod 80→db.ns.svc:80",
		"--context staging db:5432":                      "staging 5432→db:5432",
		"--context staging [fd00::1]:5432 5433":          "staging 5433→[fd00::1]:5432",
		"db.billing:5432":                                " 5432→db.billing:5432",
		"db.billing:5432 15432":                          " 15432→db.billing:5432",
		"web.shop:https localhost:8443":                  " localhost:8443→web.shop:https",
		"[fd00::1]:5432 [::1]:5432":                      " [::1]:5432→[fd00::1]:5432",
		"kind:1 db:5432":                                 "kind:1 5432→db:5432",
		"kind:1 svc/db 5432":                             "kind:1 5432→db.ns.svc:5432",
		"default/api-crc-testing:6443/kubeadmin db:5432": "default/api-crc-testing:6443/kubeadmin 5432→db:5432",
		"db.billing 5432":                                "error: 5432 is a port and no target",
		"web.shop:https":                                 "error: name a local port, because the target's port https is not a number",
		"db:5432 --replace":                              "error: --replace is for --background",
		"db:5432 --replace --background":                 " 5432→db:5432",
		"":                                               "error: name a target, such as",
		"staging":                                        "error: name a target of context staging, such as",
		"staging web.shop:https":                         "error: name a local port, because the target's port https is not a number",
		"staging svc/db":                                 "error: svc/db needs a port",
		"staging svc/db :5432":                           "error: name a local port",
		"staging svc/db 0:5432":                          "error: name a local port",
		"staging svc/":                                   "error: svc/ is neither",
		"staging secret/db 80":                           "error: secret/db is neither",
		"staging db:5432 1 2":                            "error: forward takes a target and one local port",
	} {
		var got string
		err := Run(t.Context(), Actions{Forward: func(_ context.Context, _ Options, name string, wanted []Forward) error {
			got = name
			for _, f := range wanted {
				got += fmt.Sprintf(" %s→%s", f.Local, f.Target("ns"))
			}
			return nil
		}}, append([]string{"forward"}, strings.Fields(line)...))
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want && (!strings.HasPrefix(want, "error") || !strings.HasPrefix(got, want)) {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
		if err != nil && !IsUsage(err) {
			t.Errorf("%s: %v is no usage error", line, err)
		}
	}
}
