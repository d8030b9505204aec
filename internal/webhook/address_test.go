package webhook

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestReachable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []string
		want bool
	}{
		{"this network", []string{"0.0.0.0", "0.255.255.255"}, false},
		{"private", []string{"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"}, false},
		{"carrier-grade NAT", []string{"100.64.0.0", "100.100.100.200", "100.127.255.255"}, false},
		{"loopback", []string{"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"}, false},
		{"link-local", []string{"169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255", "fe80::", "fe80::1", "febf:ffff::1", "fec0::1"}, false},
		{"link-local with a zone", []string{"fe80::1%eth0", "2606:4700::1%eth0"}, false},
		{"protocol assignments", []string{"192.0.0.0", "192.0.0.255"}, false},
		{"documentation", []string{"192.0.2.0", "192.0.2.255", "198.51.100.1", "203.0.113.0", "203.0.113.255", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::1", "3fff:fff::1"}, false},
		{"benchmarks", []string{"198.18.0.0", "198.19.255.255", "2001:2::1"}, false},
		{"multicast", []string{"224.0.0.0", "239.255.255.255", "ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, false},
		{"reserved, broadcast", []string{"240.0.0.0", "255.255.255.255"}, false},
		{"unspecified", []string{"::"}, false},
		{"unique local", []string{"fc00::", "fd00:ec2::254", "fdff:ffff::1"}, false},
		{"mapped", []string{"::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:0.0.0.0"}, false},
		{"compatible", []string{"::127.0.0.1", "::a9fe:a9fe", "::8.8.8.8"}, false},
		{"translated", []string{"::ffff:0:127.0.0.1"}, false},
		{"NAT64", []string{"64:ff9b::", "64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"}, false},
		{"6to4", []string{"2002::", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "192.88.99.1"}, false},
		{"Teredo", []string{"2001::", "2001:0:a9fe:a9fe::1", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"}, false},
		{"discard", []string{"100::1"}, false},
		{"segment routing", []string{"5f00::1"}, false},

		{"neighbours of what is refused", []string{
			"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
			"172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.114.0", "223.255.255.255",
		}, true},
		{"public", []string{"8.8.8.8", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450::1", "2001:200::1", "2001:4860:4860::8888", "2001:db9::1", "2003::1"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, in := range c.in {
				if got := reachable(netip.MustParseAddr(in), nil); got != c.want {
					t.Errorf("%s: got %v, want %v", in, got, c.want)
				}
			}
		})
	}
}

func TestNoAddressIsNotReachable(t *testing.T) {
	t.Parallel()
	if reachable(netip.Addr{}, prefixes("0.0.0.0/0", "::/0")) {
		t.Error("the zero address is reachable")
	}
}

func TestAllowedRanges(t *testing.T) {
	t.Parallel()
	allow := prefixes("10.1.0.0/16", "fd00:1::/32")
	for in, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.0": false, "fd00:1::9": true, "fd00:2::9": false, "fd00:1::9%eth0": false,
		"::10.1.2.3": false, "64:ff9b::a01:203": false, "8.8.8.8": true,
	} {
		if got := reachable(netip.MustParseAddr(in), allow); got != want {
			t.Errorf("%s: got %v, want %v", in, got, want)
		}
	}
}

// TestNothingHidesAPrivateAddress: an address is refused in every way to write it into IPv6, and the rules of
// net/netip never call private what is reachable here.
func TestNothingHidesAPrivateAddress(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		var v4 [4]byte
		for i := range v4 {
			v4[i] = byte(r.Uint32())
		}
		ip := netip.AddrFrom4(v4)
		open := reachable(ip, nil)
		if open && (ip.IsPrivate() || !ip.IsGlobalUnicast()) {
			t.Fatalf("%s is reachable", ip)
		}
		if got := reachable(netip.AddrFrom16(ip.As16()), nil); got != open {
			t.Fatalf("%s mapped: got %v, want %v", ip, got, open)
		}
		compatible := [16]byte{12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]}
		nat64 := [16]byte{1: 0x64, 2: 0xff, 3: 0x9b, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]}
		sixToFour := [16]byte{0x20, 0x02, v4[0], v4[1], v4[2], v4[3], 15: 1}
		teredo := [16]byte{0x20, 0x01, 0, 0, v4[0], v4[1], v4[2], v4[3], 12: ^v4[0], 13: ^v4[1], 14: ^v4[2], 15: ^v4[3]}
		for _, hidden := range [][16]byte{compatible, nat64, sixToFour, teredo} {
			if reachable(netip.AddrFrom16(hidden), nil) {
				t.Fatalf("%s is reachable", netip.AddrFrom16(hidden))
			}
		}
	}
}
