package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// tokenLife is how long a token is good unless --expires says otherwise: nobody wants to log in twice a day here.
const tokenLife = 12 * time.Hour

// allScopes are what a person at this machine may do.
func allScopes() []string { return []string{"orbitq/read", "orbitq/write"} }

// token makes tokens for anybody: locally this machine is the issuer.
func token() *cobra.Command {
	var (
		data, scope string
		wanted      stack.Token
	)

	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token for the API of the local stack",
		Long: `Signs a token with the key of the running local stack, for any user. In an AWS account tokens come from the issuer that
the stack was deployed with.`,
		Example: `  orbitq token --user ana
  orbitq token --user ana --tier free --scope orbitq/read --expires 5m`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wanted.Tier != "" && !slices.Contains([]string{"free", "pro", "enterprise"}, wanted.Tier) {
				return usageError{fmt.Errorf("--tier is free, pro or enterprise, not %q", wanted.Tier)}
			}

			state, err := running(data)
			if err != nil {
				return err
			}

			wanted.Scopes = strings.Fields(scope)

			signed, err := state.Mint(wanted)
			if err != nil {
				return fmt.Errorf("make token: %w", err)
			}

			return show(cmd, map[string]string{"token": signed}, func(out io.Writer) error { return printf(out, "%s\n", signed) })
		},
	}
	dataFlag(cmd, &data)

	flags := cmd.Flags()
	flags.StringVar(&wanted.User, "user", localUser, "whose token it is (sub)")
	flags.StringVar(&wanted.Tier, "tier", "", "free, pro or enterprise; none means free")
	flags.StringVar(&scope, "scope", strings.Join(allScopes(), " "), "scopes, separated by spaces")
	flags.DurationVar(&wanted.Expires, "expires", tokenLife, "how long it is good; negative for one that has expired")

	return outputFlag(cmd)
}
