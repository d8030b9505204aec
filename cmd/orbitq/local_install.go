package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"orbitq/internal/local/engines"
	"orbitq/internal/local/stack"
)

// localInstall fetches and builds the engines and does nothing else, for machines that are prepared before they are
// used: the tests would otherwise wait for it inside their time limits.
func localInstall() *cobra.Command {
	return &cobra.Command{
		Use: "install", Short: "Install the engines without starting anything", Args: none,
		Long: `Installs what local up would install the first time: ElasticMQ, dynoxide and the SAM translator, at the versions pinned
in local/, into .orbitq/tools. Does nothing when all is there.`,
		Example: "  orbitq local install",
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := stack.FindRoot(".")
			if err != nil {
				return fmt.Errorf("find repository: %w", err)
			}

			i := engines.Installer{
				Home: filepath.Join(root, ".orbitq", "tools"), Pins: filepath.Join(root, "local"),
				Say: func(line string) { _ = say(cmd.ErrOrStderr(), line) },
			}
			if err := i.Install(cmd.Context()); err != nil {
				return fmt.Errorf("install engines: %w", err)
			}

			return nil
		},
	}
}
