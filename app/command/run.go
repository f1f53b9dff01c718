package command

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
)

// A Program is one that is to run inside a context's network, and how.
type Program struct {
	Args        []string     // its name first
	Range       netip.Prefix // of the addresses that stand for names
	MTU         int
	OnlyCluster bool // names outside the cluster are refused
	Explain     bool // failures are explained on stderr
	ByEnv       bool // where namespaces cannot be had, the program gets proxy variables
}

// The values of run's flags.
const (
	defaultRange = "198.18.0.0/15"
	defaultMTU   = 65520
	leastMTU     = 1280 // of IPv6
	fallbackEnv  = "env"
)

func run(actions Actions, o *Options) *cobra.Command {
	r := Program{}
	var virtual, fallback string
	cmd := &cobra.Command{
		Use:               "run [CONTEXT] -- PROGRAM [ARG...]",
		Short:             "Run a program whose network is a context's, for programs that know no proxy",
		Long:              text("run"),
		Example:           "  fairlead run staging -- psql -h db.billing -U app\n  fairlead run staging -- bash",
		ValidArgsFunction: names(actions.Names, o, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, program, err := o.split(args, cmd.ArgsLenAtDash())
			if err != nil {
				return &UsageError{err}
			}
			r.Args = program
			if err := r.check(virtual, fallback); err != nil {
				return &UsageError{err}
			}
			return actions.Run(cmd.Context(), *o, name, r)
		},
	}
	contextFlag(cmd, actions, o)
	namespaceFlag(cmd, o, "look up names without a namespace in this `namespace`")
	yesFlag(cmd, o)
	flags := cmd.Flags()
	flags.StringVar(&virtual, "vip-range", defaultRange, "the `range` of the addresses that stand for names")
	flags.IntVar(&r.MTU, "mtu", defaultMTU, "the size of the largest packet, in `bytes`")
	flags.BoolVar(&r.OnlyCluster, "dns-only-cluster", false, "refuse to look up names outside the cluster")
	flags.BoolVar(&r.Explain, "explain", false, "say on stderr why a connection failed")
	flags.StringVar(&fallback, "fallback", "", "`env`: where namespaces cannot be had, run the program with proxy variables")
	return cmd
}

// split returns the context and the program of run's arguments, of which dash were in front of "--".
func (o *Options) split(args []string, dash int) (name string, program []string, err error) {
	if dash < 0 || dash == len(args) {
		return "", nil, errors.New("name a program, after --: fairlead run staging -- bash")
	}
	name = o.Context
	switch {
	case dash > 1:
		return "", nil, fmt.Errorf("run takes one context, and got %q as well", args[1])
	case dash == 1 && name != "":
		return "", nil, fmt.Errorf("--context names the context already, so %q is one too many", args[0])
	case dash == 1:
		name = args[0]
	}
	return name, args[dash:], nil
}

// check reads the values of flags.
func (r *Program) check(virtual, fallback string) (err error) {
	r.Range, err = netip.ParsePrefix(virtual)
	switch {
	case err != nil || !r.Range.Addr().Is4() || r.Range.Bits() > 24 || r.Range.Bits() < 8:
		return fmt.Errorf("--vip-range %s is no range of IPv4 addresses with a size from /8 to /24, such as %s", virtual, defaultRange)
	case r.MTU < leastMTU || r.MTU > defaultMTU:
		return fmt.Errorf("--mtu %d is not from %d to %d", r.MTU, leastMTU, defaultMTU)
	case fallback != "" && fallback != fallbackEnv:
		return fmt.Errorf("unknown fallback %q: use %s", fallback, fallbackEnv)
	}
	r.Range, r.ByEnv = r.Range.Masked(), fallback == fallbackEnv
	return nil
}
