package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/local/stack"
)

// tokenLife is how long a token is good unless --expires says otherwise.
const tokenLife = 12 * time.Hour

func allScopes() []string { return []string{"orbitq/read", "orbitq/write"} }

func token() *cobra.Command {
	var (
		data, output, scope string
		wanted              stack.Token
	)

	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make a token for the API of the local stack",
		Long: `Signs a token with the key of the running local stack, for any user. In an AWS account tokens come from the issuer that
the stack was deployed with.`,
		Example: `  orbitq token --user ana
  orbitq token --user ana --tier free --scope orbitq/read --expires 5m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}

			if wanted.Tier != "" && !slices.Contains([]string{"free", "pro", "enterprise"}, wanted.Tier) {
				return fmt.Errorf("--tier is %q, it can be free, pro or enterprise", wanted.Tier)
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

			if output == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]string{"token": signed})
			}

			_, err = fmt.Fprintln(cmd.OutOrStdout(), signed)

			return err
		},
	}
	dataFlag(cmd, &data)
	outputFlag(cmd, &output)

	flags := cmd.Flags()
	flags.StringVar(&wanted.User, "user", "demo", "whose token it is (sub)")
	flags.StringVar(&wanted.Tier, "tier", "", "free, pro or enterprise; none means free")
	flags.StringVar(&scope, "scope", strings.Join(allScopes(), " "), "scopes, separated by spaces")
	flags.DurationVar(&wanted.Expires, "expires", tokenLife, "how long it is good; negative for one that has expired")

	return cmd
}
