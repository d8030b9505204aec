package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// campaigns are the commands about campaigns: where their readings should be. A campaign is made by its first reading, so
// there is nothing to create, and zones may be there before it.
func campaigns() *cobra.Command {
	cmd := &cobra.Command{
		Use: "campaigns", Short: "Say where the readings of a campaign should be",
		Example: "  orbitq campaigns zones dunes\n  orbitq campaigns zones dunes --set dunes.geojson",
	}
	cmd.AddCommand(campaignsZones())
	return connected(group(cmd))
}

// campaignsZones shows the zones of a campaign, or replaces them. To remove them all has a flag of its own: an empty file is
// more often an accident.
func campaignsZones() *cobra.Command {
	var (
		set    string
		remove bool
	)
	cmd := &cobra.Command{
		Use: "zones CAMPAIGN", Short: "Show or replace the zones of a campaign", Args: exactly("the id of a campaign"),
		Example: `  orbitq campaigns zones dunes
  orbitq campaigns zones dunes --set dunes.geojson
  orbitq campaigns zones dunes --set '{"type":"Polygon","coordinates":[[[-11.4,25],[-11.1,25],[-11.1,25.2],[-11.4,25]]]}'
  orbitq campaigns zones dunes -o json > zones.json && orbitq campaigns zones other --set zones.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if remove && set != "" {
				return usageError{errors.New("--set and --remove exclude each other")}
			}
			// The file is read before anybody is asked: a path that is wrong needs no stack to be told so.
			var zones []client.Zone
			if set != "" {
				var err error
				if zones, err = readZones(cmd, set); err != nil {
					return err
				}
			}
			return campaignZones(cmd, args[0], zones, remove || set != "")
		},
	}
	cmd.Flags().StringVar(&set, "set", "", "new zones: a file (- is standard input) or the text itself, as this command\nshows them with -o json, or as GeoJSON polygons")
	cmd.Flags().BoolVar(&remove, "remove", false, "remove all zones: readings may be anywhere")
	return cmd
}

// campaignZones replaces the zones if that is wanted, and shows them in both cases, so that what was set is seen as it was
// understood. Readings that were analysed before keep their verdict.
func campaignZones(cmd *cobra.Command, campaign string, zones []client.Zone, replace bool) error {
	c, err := connect(cmd)
	if err != nil {
		return err
	}
	var z client.Zones
	if replace {
		z, err = c.SetZones(cmd.Context(), campaign, zones)
	} else {
		z, err = c.Zones(cmd.Context(), campaign)
	}
	if err != nil {
		return err //nolint:wrapcheck // the client's errors are written for people
	}
	return show(cmd, z, func(out io.Writer) error { return writeZones(out, &z) })
}

// writeZones shows zones to people: how many corners, and the box around them, by which a swap of longitude and latitude
// is seen at once.
func writeZones(w io.Writer, z *client.Zones) error {
	if len(z.Zones) == 0 {
		return say(w, "no zones: readings of %s may be anywhere", z.CampaignID)
	}
	t := table{head: []string{"ZONE", "CORNERS", "LATITUDE", "LONGITUDE"}}
	for i := range z.Zones {
		ring := z.Zones[i].Ring
		// Longitude first, as GeoJSON has it; the table shows latitude first, as people say it.
		low, high := [2]float64{180, 90}, [2]float64{-180, -90}
		for _, corner := range ring {
			for axis, v := range corner {
				low[axis], high[axis] = min(low[axis], v), max(high[axis], v)
			}
		}
		t.add(z.Zones[i].Name, strconv.Itoa(len(ring)), fmt.Sprintf("%g to %g", low[1], high[1]), fmt.Sprintf("%g to %g", low[0], high[0]))
	}
	return t.write(w)
}

// readZones reads zones from where --set says. Zones are refused here only where they cannot be read at all; what a good
// zone is, the API knows.
func readZones(cmd *cobra.Command, set string) ([]client.Zone, error) {
	raw, err := []byte(set), error(nil)
	switch {
	case set == "-":
		raw, err = io.ReadAll(cmd.InOrStdin())
	// No file name begins like JSON, so that one flag can take both.
	case set[0] != '{' && set[0] != '[':
		raw, err = os.ReadFile(set) //nolint:gosec // the person names it
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("read zones: %w", err)}
	}
	zones, err := zonesOf(bytes.TrimSpace(raw))
	if err != nil {
		return nil, usageError{fmt.Errorf("read zones: %w", err)}
	}
	if len(zones) == 0 {
		return nil, usageError{errors.New("there is no zone in it; --remove removes all")}
	}
	return zones, nil
}
