package main

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
)

// notifications are the commands about messages: what the step notify and the callbacks of batches wrote.
func notifications() *cobra.Command {
	cmd := &cobra.Command{
		Use: "notifications", Short: "Read your messages, and choose which ones you get",
		Example: "  orbitq notifications list\n  orbitq notifications preferences --mute enrichment.succeeded --webhook https://example.org/hook",
	}
	cmd.AddCommand(notificationsList(), notificationsPreferences(), notificationsSecret())
	return connected(group(cmd))
}

// notificationsList lists messages. The inbox has all of them that were not muted, whatever became of webhook and topic.
func notificationsList() *cobra.Command {
	return listing[client.Notice]{
		what: "messages", order: newestFirst, ask: (*client.Client).Notifications, write: writeNotices,
		example: "  orbitq notifications list\n  orbitq notifications list --limit 0 -o json | jq -r .items[].title",
	}.command()
}

// writeNotices shows messages to people, the text last, because it is the longest.
func writeNotices(w io.Writer, l *listOf[client.Notice]) error {
	if len(l.Items) == 0 {
		return say(w, "no messages")
	}
	t := table{head: []string{"AT", "TYPE", "ABOUT", "MESSAGE"}}
	for i := range l.Items {
		n := &l.Items[i]
		about := "point " + n.PointID
		// A message about a batch as a whole names no point.
		if n.BatchID != "" {
			about = "batch " + n.BatchID
		}
		t.add(moment(n.CreatedAt), n.Type, about, strings.TrimSpace(n.Title+". "+n.Text))
	}
	return errors.Join(t.write(w), l.rest(w))
}

// notificationsSecret shows the secret that receivers verify with: alone on standard output, so that a script can take it.
func notificationsSecret() *cobra.Command {
	cmd := &cobra.Command{
		Use: "secret", Short: "Show the secret that your callbacks and messages are signed with", Args: none,
		Example: "  export WEBHOOK_SECRET=$(orbitq notifications secret)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			secret, err := c.SigningSecret(cmd.Context())
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			return show(cmd, map[string]string{"webhook_secret": secret}, func(w io.Writer) error { return say(w, secret) })
		},
	}
	return outputFlag(cmd)
}

// notificationsPreferences shows preferences, or changes those that flags name. The API replaces them as a whole, so the
// command reads them first: a flag that is not given leaves what is there.
func notificationsPreferences() *cobra.Command {
	var (
		muted []string
		url   string
		topic bool
	)
	cmd := &cobra.Command{
		Use: "preferences", Short: "Show which messages you get and where, or change it", Args: none,
		Example: "  orbitq notifications preferences\n  orbitq notifications preferences --mute enrichment.succeeded,enrichment.partial\n  orbitq notifications preferences --mute= --webhook= --topic=false   # everything, in the inbox alone",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := connect(cmd)
			if err != nil {
				return err
			}
			p, err := c.Preferences(cmd.Context())
			if err != nil {
				return err //nolint:wrapcheck // the client's errors are written for people
			}
			// Asked of the command line and not of the values: empty is a wish, too, and means all or none.
			changed := cmd.Flags().Changed
			if changed("mute") {
				p.Muted = muted
			}
			if changed("topic") {
				p.Topic = topic
			}
			if changed("webhook") {
				if p.WebhookURL = &url; url == "" {
					p.WebhookURL = nil
				}
			}
			if changed("mute") || changed("topic") || changed("webhook") {
				if p, err = c.SetPreferences(cmd.Context(), p); err != nil {
					return err //nolint:wrapcheck // as above
				}
			}
			return show(cmd, p, func(out io.Writer) error { return writePreferences(out, &p) })
		},
	}
	cmd.Flags().StringSliceVar(&muted, "mute", nil, "types you do not want, all of them: enrichment.succeeded, enrichment.partial,\nenrichment.no_data, enrichment.skipped, enrichment.failed; empty wants all")
	cmd.Flags().StringVar(&url, "webhook", "", "where messages are posted, signed; empty is the inbox alone")
	cmd.Flags().BoolVar(&topic, "topic", false, "publish them on the topic of notices as well")
	return cmd
}

// writePreferences shows preferences to people.
func writePreferences(w io.Writer, p *client.Preferences) error {
	s, muted, url := sheet{}, "nothing", "none"
	if len(p.Muted) > 0 {
		muted = strings.Join(p.Muted, ", ")
	}
	if p.WebhookURL != nil {
		url = *p.WebhookURL
	}
	s.putf("muted", "%s", muted)
	s.putf("webhook", "%s", url)
	s.putf("topic", "%v", p.Topic)
	return s.write(w)
}
