package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"orbitq/internal/local/cdse"
)

// localCopernicus runs the stand-in alone: other clients of the real service can be tried against it, too.
func localCopernicus() *cobra.Command {
	var (
		port       int
		id, secret string
	)

	cmd := &cobra.Command{
		Use:   "copernicus",
		Short: "Run only the stand-in for the Copernicus Data Space",
		Long: `Serves the token endpoint, the Statistical API and the Catalog of the Copernicus Data Space from one real Sentinel-2
scene (tile 29RKH, 2020-02-19), so that a client of the real service can be tried without an account. Every call is
logged to standard error; faults are set at /__faults.`,
		Example: "  orbitq local copernicus --port 9090",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := cdse.New(cdse.Config{
				ClientID: id, ClientSecret: secret, Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)),
			})
			if err != nil {
				return fmt.Errorf("make provider: %w", err)
			}

			ready := func(url string) {
				where := map[string]string{"copernicus_url": url, "token_url": url + cdse.TokenPath, "client_id": id}
				if err := show(cmd, where, func(out io.Writer) error {
					return printf(out, "Copernicus stand-in on %s, client %s, token endpoint %s\n", url, id, cdse.TokenPath)
				}); err != nil {
					cmd.PrintErrln(err)
				}
			}

			if err := cdse.ListenAndServe(cmd.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), server, ready); err != nil {
				return fmt.Errorf("run provider: %w", err)
			}

			return nil
		},
	}
	cmd.Flags().IntVar(&port, "port", 9090, "port; 0 for any free one")
	cmd.Flags().StringVar(&id, "client-id", "local", "the only client that gets tokens")
	cmd.Flags().StringVar(&secret, "client-secret", "local", "its secret")

	return cmd
}
