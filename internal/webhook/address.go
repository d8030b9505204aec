package webhook

import (
	"net/netip"
	"slices"
)

// global is all that IPv6 has given out so far. Outside of it lie loopback,
// ULA, link-local and multicast, and the addresses that hide an IPv4 one: mapped
// and compatible (::/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48).
const global = "2000::/3"

// reserved are the ranges that no public service has.
// Source: IANA special-purpose address registries, RFC 6890.
func reserved() []string {
	return []string{
		"0.0.0.0/8",       // this network; 0.0.0.0 reaches the host itself
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // carrier-grade NAT, and some clouds' services
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local; the credentials of the machine are at .169.254 and .170.2
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, broadcast
		"2001::/23",       // protocol assignments: Teredo, benchmarks, ORCHID
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4, which hides an IPv4 address
		"3fff::/20",       // documentation
	}
}

// reachable says whether a callback may go to an address: a public one, or one
// that the operator allows. An address of a zone is neither: it is link-local.
func reachable(ip netip.Addr, allow []netip.Prefix) bool {
	ip = ip.Unmap()
	if within(ip, allow) {
		return true
	}
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	if ip.Is6() && !netip.MustParsePrefix(global).Contains(ip) {
		return false
	}
	return !slices.ContainsFunc(reserved(), func(r string) bool { return netip.MustParsePrefix(r).Contains(ip) })
}

// within says whether an address is in one of the ranges. An IPv4 address in the
// clothes of IPv6 counts as what it is.
func within(ip netip.Addr, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
}
