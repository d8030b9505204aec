package webhook

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"orbitq/internal/job"
)

// The longest URL and the longest host name, in bytes. Source: task; RFC 1035.
const (
	maxURL  = 2048
	maxHost = 253
)

// defaultPorts are those of HTTPS. A list, so that a callback cannot knock at
// the ports of other services.
func defaultPorts() []uint16 { return []uint16{443, 8443} }

// CheckURL says what is wrong with a URL at registration; nil when nothing is.
// A user corrects a form now, but is not there when a job calls. Details never
// quote the URL. Names are not resolved: that happens at each Post, and may end
// in WEBHOOK_REFUSED all the same.
func CheckURL(field, raw string, allow []netip.Prefix) []job.Violation {
	_, broken := inspect(field, raw, allow, defaultPorts())
	return broken
}

// target is where a URL leads.
type target struct {
	url     string
	host    string     // lower case; the only part that errors may name
	literal netip.Addr // valid when the host is no name but an address
	port    uint16
}

// rules collects what is wrong with one field.
type rules struct {
	field  string
	broken []job.Violation
}

func (r *rules) must(ok bool, rule, detail string) {
	if !ok {
		r.broken = append(r.broken, job.Violation{Field: r.field, Rule: rule, Detail: detail})
	}
}

// inspect takes a URL apart. The target is usable when nothing is broken.
func inspect(field, raw string, allow []netip.Prefix, ports []uint16) (target, []job.Violation) {
	r := rules{field: field}
	r.must(len(raw) <= maxURL, "max_length", fmt.Sprintf("must have at most %d bytes", maxURL))
	// What parsers disagree about is refused, so that nobody reads another host.
	r.must(!strings.ContainsFunc(raw, odd), "charset", "must be visible ASCII without backslashes; percent-encode the rest")
	if len(r.broken) > 0 {
		return target{}, r.broken
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		r.must(false, "url", "must be an absolute URL with a host")
		return target{}, r.broken
	}
	to := target{url: raw, host: strings.ToLower(u.Hostname())}
	to.literal, _ = netip.ParseAddr(to.host) // a name is no error
	excused := to.literal.IsValid() && within(to.literal, allow)
	r.must(u.Scheme == "https" || excused && u.Scheme == "http", "scheme", "must begin with https://")
	r.must(u.User == nil, "user_info", "must not hold a user or password")
	r.must(!strings.Contains(raw, "#"), "fragment", "must not have a fragment")
	r.must(to.literal.IsValid() || isName(to.host), "host", "must have the name of a host, or an address in its usual form")
	r.must(!to.literal.IsValid() || reachable(to.literal, allow), "address", "must not be a private or reserved address")
	to.port = portOf(u)
	r.must(to.port != 0 && (excused || slices.Contains(ports, to.port)), "port", "must have port "+list(ports))
	return to, r.broken
}

// odd finds what does not belong into a URL.
func odd(c rune) bool { return c <= ' ' || c > '~' || c == '\\' }

// portOf returns the port of a URL, 0 for one that cannot be.
func portOf(u *url.URL) uint16 {
	text := u.Port()
	switch {
	case text == "" && u.Scheme == "http":
		return 80
	case text == "":
		return 443
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// list writes ports for people: "443 or 8443".
func list(ports []uint16) string {
	text := make([]string, len(ports))
	for i, p := range ports {
		text[i] = strconv.Itoa(int(p))
	}
	return strings.Join(text, " or ")
}

// isName says whether a host is a DNS name. A last label of digits is refused:
// resolvers read 127.1, 0x7f.1 and 2130706433 as the address 127.0.0.1.
func isName(host string) bool {
	if len(host) > maxHost {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	last := labels[len(labels)-1]
	return last[0] < '0' || last[0] > '9'
}

func isLabel(label string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	return label != "" && len(label) <= 63 && strings.Trim(label, letters) == "" &&
		label[0] != '-' && label[len(label)-1] != '-'
}
