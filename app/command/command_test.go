package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// recorded is the arguments that an action was called with.
func recorded(args []string) (called string, out string, err error) {
	record := func(word string) func(context.Context, Options, []string) error {
		return func(_ context.Context, o Options, names []string) error {
			called = fmt.Sprintf("%s %q %+v", word, names, o)
			return nil
		}
	}
	plain := func(word string) func(context.Context, Options) error {
		return func(ctx context.Context, o Options) error { return record(word)(ctx, o, nil) }
	}
	named := func(word string) func(context.Context, Options, string) error {
		return func(ctx context.Context, o Options, name string) error { return record(word)(ctx, o, []string{name}) }
	}
	cmd := root(Actions{
		Tray: plain("tray"), Serve: record("serve"), Gateway: plain("gateway"), List: plain("list"), On: record("on"), Off: record("off"), Status: plain("status"),
		Restart: record("restart"), Connections: record("connections"), Close: record("close"), Services: named("services"), LogIn: named("login"), Quit: plain("quit"),
		Env: named("env"), Logs: plain("logs"),
		Open: func(ctx context.Context, o Options, name, url string) error {
			return record("open")(ctx, o, []string{name, url})
		},
		Doctor: func(ctx context.Context, o Options, name, target string) error {
			return record("doctor")(ctx, o, []string{name, target})
		},
		Run: func(ctx context.Context, o Options, name string, r Program) error {
			called = fmt.Sprintf("run %q %+v", name, r)
			return nil
		},
		EgressDeploy: named("egress-deploy"), EgressStatus: named("egress-status"), EgressRemove: named("egress-remove"), EgressManifest: named("egress-manifest"),
		SettingsExample: plain("example"), SettingsPath: plain("path"), SettingsCheck: plain("check"),
		Names:   func(o Options) []string { return []string{"staging", "prod", "of " + o.Kubeconfig} },
		Running: func(Options) []string { return []string{"staging"} },
		For:     func() []string { return []string{"bash", "fish"} },
		Version: "fairlead 1",
	})
	var buffer bytes.Buffer
	cmd.SetOut(&buffer)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(context.Background())
	return called, buffer.String(), err
}

func TestWordsCallTheirActions(t *testing.T) {
	for line, want := range map[string]string{
		"":                                `tray [] {}`,
		"serve a b":                       `serve ["a" "b"] {}`,
		"serve a --yes":                   `serve ["a"] {Yes:true}`,
		"list -o json":                    `list [] {Output:json}`,
		"contexts":                        `list [] {}`,
		"on a b --yes":                    `on ["a" "b"] {Yes:true}`,
		"off a":                           `off ["a"] {}`,
		"off --all":                       `off [] {All:true}`,
		"status --output json":            `status [] {Output:json}`,
		"env a --for fish --kubeconfig k": `env ["a"] {Kubeconfig:k For:fish}`,
		"open a":                          `open ["a" ""] {}`,
		"open":                            `open ["" ""] {}`,
		"open a http://b --browser c":     `open ["a" "http://b"] {Browser:c}`,
		"open http://b":                   `open ["" "http://b"] {}`,
		"open --context a b":              `open ["a" "b"] {Context:a}`,
		"start a":                         `on ["a"] {}`,
		"on":                              `on [] {}`,
		"on --context a -n b -y":          `on ["a"] {Context:a Namespace:b Yes:true}`,
		"stop a":                          `off ["a"] {}`,
		"off --context a":                 `off ["a"] {Context:a}`,
		"restart a b":                     `restart ["a" "b"] {}`,
		"restart":                         `restart [] {}`,
		"serve --context a -n b":          `serve ["a"] {Context:a Namespace:b}`,
		"list -o wide --no-headers":       `list [] {Output:wide NoHeaders:true}`,
		"ls -o name":                      `list [] {Output:name}`,
		"ps -w -o yaml":                   `status [] {Output:yaml Watch:true}`,
		"connections":                     `connections [] {}`,
		"connections a b -o wide":         `connections ["a" "b"] {Output:wide}`,
		"close a":                         `close ["a"] {}`,
		"close --all":                     `close [] {All:true}`,
		"services a -n b -o name":         `services ["a"] {Namespace:b Output:name}`,
		"svc":                             `services [""] {}`,
		"login a":                         `login ["a"] {}`,
		"login":                           `login [""] {}`,
		"quit":                            `quit [] {}`,
		"env":                             `env [""] {}`,
		"env --context a":                 `env ["a"] {Context:a}`,
		"doctor":                          `doctor ["" ""] {}`,
		"doctor --context a b:1 -n c":     `doctor ["a" "b:1"] {Context:a Namespace:c}`,
		"logs --context a --level warn":   `logs [] {Context:a Level:warn}`,
		"logs -f":                         `logs [] {Follow:true}`,
		"logs -o json":                    `logs [] {Output:json}`,
		"doctor a":                        `doctor ["a" ""] {}`,
		"doctor a b:1 --output json":      `doctor ["a" "b:1"] {Output:json}`,
		"doctor a hello:80":               `doctor ["a" "hello:80"] {}`,
		"settings example --write":        `example [] {Write:true}`,
		"settings path":                   `path [] {}`,
		"egress deploy a -n b --image c":  `egress-deploy ["a"] {Namespace:b Image:c}`,
		"egress deploy --yes":             `egress-deploy [""] {Yes:true}`,
		"egress deploy --kind fairlead --image c --mtls":                          `egress-deploy [""] {Image:c Kind:fairlead MutualTLS:true}`,
		"egress manifest --kind fairlead --image c --tls-secret s":                `egress-manifest [""] {Image:c Kind:fairlead TLSSecret:s}`,
		"egress deploy --kind fairlead --image c --tls-secret s --cert d --key e": `egress-deploy [""] {Image:c Kind:fairlead TLSSecret:s UpstreamCert:d UpstreamKey:e}`,
		"egress status a -o json":                                                 `egress-status ["a"] {Output:json}`,
		"egress remove --context a":                                               `egress-remove ["a"] {Context:a}`,
		"egress manifest a -n b":                                                  `egress-manifest ["a"] {Namespace:b}`,
		"settings check":                                                          `check [] {}`,
		"gateway":                                                                 `gateway [] {Listen:127.0.0.1:8888}`,
		"gateway --listen :1 --health :2":                                         `gateway [] {Listen::1 Health::2}`,
		"env --kubeconfig=k -- -strange":                                          `env ["-strange"] {Kubeconfig:k}`,
	} {
		called, _, err := recorded(strings.Fields(line))
		// Only the flags that are set are compared.
		words, flags, _ := strings.Cut(called, "{")
		var set []string
		for _, flag := range strings.Fields(strings.TrimSuffix(flags, "}")) {
			if !strings.HasSuffix(flag, ":") && !strings.HasSuffix(flag, ":false") {
				set = append(set, flag)
			}
		}
		if got := words + "{" + strings.Join(set, " ") + "}"; err != nil || got != want {
			t.Errorf("fairlead %s: %s, %v; want %s", line, got, err, want)
		}
	}
}

func TestWrongLinesAreUsageErrorsAndCallNothing(t *testing.T) {
	for line, want := range map[string]string{
		"nonsense":                       `unknown command "nonsense": there are `,
		"stauts":                         `unknown command "stauts": did you mean status?`,
		"conn":                           `unknown command "conn": did you mean connections`,
		"on a --context b":               `--context names the context already, so "a" is one too many`,
		"off b --context a":              `--context names the context already, so "b" is one too many`,
		"close":                          "name the contexts to close connections of, or say --all",
		"close a --all":                  "--all stands for every context",
		"restart a -o json":              "unknown shorthand flag: 'o'",
		"login a b":                      `login takes one context, and got "b" as well`,
		"services a b":                   `services takes one context, and got "b" as well`,
		"services -o wide":               `unknown output format "wide": use json, yaml or name`,
		"quit a":                         "quit takes no argument",
		"open a b c":                     `it takes a context and a URL, and got "c" as well`,
		"open --context a b c":           `it takes a context and a URL, and got "c" as well`,
		"logs --level loud":              `unknown level "loud": use debug, info, warn or error`,
		"version -o toml":                `unknown output format "toml": use json or yaml`,
		"off":                            "name the contexts to switch off, or say --all",
		"off a --all":                    "--all stands for every context",
		"env a b":                        `takes one context, and got "b" as well`,
		"list -o toml":                   `unknown output format "toml"`,
		"status -o toml":                 `unknown output format "toml"`,
		"list a":                         `takes no argument`,
		"doctor a b c":                   `got "c" as well`,
		"run":                            "name a program, after --",
		"run a":                          "name a program, after --",
		"run a --":                       "name a program, after --",
		"run a b":                        "name a program, after --",
		"run a b -- c":                   `run takes one context, and got "b" as well`,
		"run --context a b -- c":         `--context names the context already, so "b" is one too many`,
		"run --mtu 100 -- c":             "--mtu 100 is not from 1280 to 65520",
		"run --vip-range fd00::/64 -- c": "--vip-range fd00::/64 is no range of IPv4 addresses",
		"run --fallback x -- c":          `unknown fallback "x": use env`,
		"settings nonsense":              `unknown command "nonsense"`,
		"egress nonsense":                `unknown command "nonsense": there are deploy, manifest, remove, status`,
		"egress deploy --kind squid":     `--kind is tinyproxy or fairlead`,
		"egress deploy --kind fairlead":  `--kind fairlead needs --image REGISTRY/fairlead:TAG`,
		"egress deploy --mtls":           `--tls-secret and --mtls need --kind fairlead`,
		"egress manifest --tls-secret s": `--tls-secret and --mtls need --kind fairlead`,
		"egress manifest --mtls":         `unknown flag: --mtls`,
		"egress deploy --kind fairlead --image c --mtls --tls-secret s --cert d --key e": `--mtls makes a Secret of its own`,
		"egress deploy --kind fairlead --image c --tls-secret s":                         `--tls-secret needs --cert and --key`,
		"egress deploy --kind fairlead --image c --tls-secret s --cert d":                `--cert and --key go together`,
		"egress deploy --cert d --key e":                                                 `--ca, --cert and --key are for a proxy with --tls-secret`,
		"egress deploy a b":                                                              `deploy takes one context, and got "b" as well`,
		"egress status -o wide":                                                          `unknown output format "wide": use json or yaml`,
		"serve a b --listen 127.0.0.1:1":                                                 "--listen is the address of one context",
		"on a --no":                                                                      "unknown flag: --no",
		"logs -o toml":                                                                   `unknown output format "toml"`,
		"doctor a -o toml":                                                               `unknown output format "toml"`,
		"help nonsense":                                                                  `unknown command "nonsense"`,
		"completion":                                                                     "completion takes the name of a shell: bash, fish, powershell, zsh",
		"completion tcsh":                                                                `no completion for "tcsh": there are bash, fish, powershell, zsh`,
		"--version x":                                                                    `unknown command "x"`,
	} {
		called, _, err := recorded(strings.Fields(line))
		if !errors.As(err, new(*UsageError)) || !strings.Contains(err.Error(), want) || called != "" {
			t.Errorf("fairlead %s: %v, called %q", line, err, called)
		}
	}
}

// What follows -- is the program's, flags and all.
func TestRunLeavesTheProgramItsArguments(t *testing.T) {
	for line, want := range map[string]string{
		"run a -- b -c --mtu 1": `run "a" {Args:[b -c --mtu 1] Range:198.18.0.0/15 MTU:65520 OnlyCluster:false Explain:false ByEnv:false}`,
		"run -- b -- c":         `run "" {Args:[b -- c] Range:198.18.0.0/15 MTU:65520 OnlyCluster:false Explain:false ByEnv:false}`,
		"run --context a --vip-range 10.9.8.7/16 --mtu 1500 --dns-only-cluster --explain --fallback env -- b": `run "a" {Args:[b] Range:10.9.0.0/16 MTU:1500 OnlyCluster:true Explain:true ByEnv:true}`,
	} {
		if called, _, err := recorded(strings.Fields(line)); err != nil || called != want {
			t.Errorf("fairlead %s: %s, %v; want %s", line, called, err, want)
		}
	}
}

func TestTheVersionIsPrintedByFlagAndByCommand(t *testing.T) {
	for line, want := range map[string]string{
		"--version": "fairlead 1\n", "version": "fairlead 1\n", "version -o json": "{\n  \"version\": \"fairlead 1\"\n}\n", "version -o yaml": "version: \"fairlead 1\"\n",
	} {
		if called, out, err := recorded(strings.Fields(line)); called != "" || out != want || err != nil {
			t.Errorf("fairlead %s: %q, %v, called %q", line, out, err, called)
		}
	}
}

func TestHelpIsThereForEveryCommand(t *testing.T) {
	for line, want := range map[string]string{"help": "Available Commands", "help logs": "Show the end of the log", "help settings check": "what is wrong in which line", "settings": "Available Commands", "help start": "Start the proxies"} {
		if called, out, err := recorded(strings.Fields(line)); called != "" || !strings.Contains(out, want) || err != nil {
			t.Errorf("fairlead %s: %q, %v, called %q", line, out, err, called)
		}
	}
}

func TestContextNamesAreCompleted(t *testing.T) {
	for line, want := range map[string]string{
		"serve |":             "staging prod",
		"on staging |":        "prod",
		"on --kubeconfig k |": "staging prod of k",
		"off |":               "staging",
		"off staging |":       "",
		"env |":               "staging prod",
		"env staging |":       "",
		"env staging --for |": "bash fish",
		"open |":              "staging prod",
		"doctor |":            "staging prod",
		"doctor staging |":    "",
		"list -o |":           "json yaml wide name",
		"close |":             "staging",
		"login staging |":     "",
		"env --context |":     "staging prod",
		"logs --level |":      "debug info",
		"egress |":            "deploy manifest remove status",
		"egress deploy |":     "staging prod",
		"egress remove a |":   "",
	} {
		args := append([]string{"__completeNoDesc"}, strings.Fields(strings.TrimSuffix(line, " |"))...)
		_, out, err := recorded(append(args, ""))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		got := strings.Join(lines[:len(lines)-1], " ")
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("fairlead %s: %q, want %q", line, got, want)
		}
	}
}

func TestCommandsWithoutAnActionAreNotThere(t *testing.T) {
	cmd := root(Actions{Tray: func(context.Context, Options) error { return nil }})
	cmd.SetArgs([]string{"doctor", "a"})
	if err := cmd.Execute(); !IsUsage(err) {
		t.Errorf("doctor: %v", err)
	}
}
