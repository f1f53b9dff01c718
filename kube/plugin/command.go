package plugin

import (
	"cmp"
	"regexp"
	"strings"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// LoginCommand returns a command line for a login by hand, for when a plugin cannot log in; empty if none is known. It
// has no secret, and nothing from the kubeconfig that a shell could take for more than a word.
func LoginCommand(c *clientcmdapi.ExecConfig, context string) string {
	words, option, value := knownLogin(c)
	if words == "" {
		// kubectl runs the plugin with a terminal, where it may prompt.
		words, option, value = "kubectl version", "--context", context
	}
	switch {
	case option == "" || value == "":
		return words
	case !plainWord.MatchString(value):
		return ""
	}
	return words + " " + option + " " + value
}

// plainWord matches what every shell, and every program, leaves as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,200}$`)

// knownLogin returns the command that logs in where a well-known plugin gets its credentials from, with an option and
// its value.
func knownLogin(c *clientcmdapi.ExecConfig) (words, option, value string) {
	switch programName(c.Command) {
	case "aws", "aws-iam-authenticator":
		return "aws sso login", "--profile", cmp.Or(argument(c, "--profile"), variable(c, "AWS_PROFILE"))
	case "gke-gcloud-auth-plugin", "gcloud":
		return "gcloud auth login", "", ""
	case "az":
		return "az login", "", ""
	case "kubelogin":
		if cmp.Or(argument(c, "--login"), argument(c, "-l"), variable(c, "AAD_LOGIN_METHOD")) == "azurecli" {
			return "az login", "--tenant", argument(c, "--tenant-id")
		}
	case "tsh":
		return "tsh login", "--proxy", argument(c, "--proxy")
	case "doctl":
		return "doctl auth init", "", ""
	case "oci":
		return "oci session authenticate", "--profile-name", argument(c, "--profile")
	}
	return "", "", ""
}

// argument returns the value of an option among the plugin's arguments, written as one word or as two.
func argument(c *clientcmdapi.ExecConfig, option string) string {
	for i, arg := range c.Args {
		if value, ok := strings.CutPrefix(arg, option+"="); ok {
			return value
		}
		if arg == option && i+1 < len(c.Args) {
			return c.Args[i+1]
		}
	}
	return ""
}

func variable(c *clientcmdapi.ExecConfig, name string) string {
	for _, v := range c.Env {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}
