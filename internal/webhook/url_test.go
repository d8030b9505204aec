package webhook

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// prefixes parses ranges.
func prefixes(all ...string) (out []netip.Prefix) {
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	local := prefixes("127.0.0.0/8", "::1/128")
	for _, c := range []struct {
		name  string
		in    string
		allow []netip.Prefix
		want  string // rules that are broken
	}{
		{"plain", "https://hooks.example.com/orbitq?token=1", nil, ""},
		{"default port given", "https://hooks.example.com:443/", nil, ""},
		{"other port allowed", "https://hooks.example.com:8443/", nil, ""},
		{"upper case", "HTTPS://Hooks.Example.COM/", nil, ""},
		{"no path", "https://hooks.example.com", nil, ""},
		{"public address", "https://8.8.8.8/", nil, ""},
		{"public address of IPv6", "https://[2606:4700:4700::1111]/", nil, ""},
		{"longest", "https://a.example/" + strings.Repeat("x", maxURL-18), nil, ""},
		{"longest label", "https://" + strings.Repeat("a", 63) + ".example/", nil, ""},

		{"too long", "https://a.example/" + strings.Repeat("x", maxURL-17), nil, "max_length"},
		{"empty", "", nil, "url"},
		{"no host", "https:///path", nil, "url"},
		{"opaque", "https:hooks.example.com", nil, "url"},
		{"relative", "//hooks.example.com/", nil, "scheme"},
		{"a path", "/hooks", nil, "url"},
		{"plain http", "http://hooks.example.com/", nil, "scheme port"},
		{"http on an allowed port", "http://hooks.example.com:8443/", nil, "scheme"},
		{"file", "file://hooks.example.com/etc/passwd", nil, "scheme"},
		{"gopher", "gopher://hooks.example.com:443/", nil, "scheme"},
		{"javascript", "javascript:alert(1)", nil, "url"},
		{"user", "https://user@hooks.example.com/", nil, "user_info"},
		{"password", "https://user:pass@hooks.example.com/", nil, "user_info"},
		{"empty user", "https://@hooks.example.com/", nil, "user_info"},
		{"host in front of the host", "https://hooks.example.com:443@evil.example/", nil, "user_info"},
		{"fragment", "https://hooks.example.com/#x", nil, "fragment"},
		{"empty fragment", "https://hooks.example.com/#", nil, "fragment"},
		{"port of SSH", "https://hooks.example.com:22/", nil, "port"},
		{"port zero", "https://hooks.example.com:0/", nil, "port"},
		{"port beyond 16 bits", "https://hooks.example.com:65979/", nil, "port"}, // 443 + 65536
		{"port not a number", "https://hooks.example.com:NaN/", nil, "url"},
		{"space", "https://hooks.example.com/a b", nil, "charset"},
		{"line break", "https://hooks.example.com/\r\nx-evil: 1", nil, "charset"},
		{"backslash", `https://hooks.example.com\@127.0.0.1/`, nil, "charset"},
		{"name beyond ASCII", "https://hööks.example/", nil, "charset"},
		{"digits of another script", "https://①②⑦.⓪.⓪.①/", nil, "charset"},
		{"encoded host", "https://%31%32%37.0.0.1/", nil, "url"},
		{"empty label", "https://hooks..example/", nil, "host"},
		{"dot behind the name", "https://hooks.example.com./", nil, "host"},
		{"star", "https://*.example.com/", nil, "host"},
		{"hyphen first", "https://-a.example/", nil, "host"},
		{"label too long", "https://" + strings.Repeat("a", 64) + ".example/", nil, "host"},
		{"name too long", "https://" + strings.Repeat("a.", 127) + "example/", nil, "host"},

		{"loopback", "https://127.0.0.1/", nil, "address"},
		{"loopback of IPv6", "https://[::1]/", nil, "address"},
		{"metadata", "https://169.254.169.254/latest/meta-data/", nil, "address"},
		{"metadata over http", "http://169.254.169.254/", nil, "scheme address port"},
		{"metadata as mapped", "https://[::ffff:169.254.169.254]/", nil, "address"},
		{"metadata by NAT64", "https://[64:ff9b::a9fe:a9fe]/", nil, "address"},
		{"metadata of IPv6", "https://[fd00:ec2::254]/", nil, "address"},
		{"zone", "https://[fe80::1%25eth0]/", nil, "address"},
		{"short address", "https://127.1/", nil, "host"},
		{"address as a number", "https://2130706433/", nil, "host"},
		{"address in hexadecimal", "https://0x7f.0x1/", nil, "host"},
		{"address in octal", "https://0177.0.0.1/", nil, "host"},
		{"five parts", "https://1.2.3.4.5/", nil, "host"},

		{"allowed", "http://127.0.0.1:8080/", local, ""},
		{"allowed, default port", "http://127.0.0.1/", local, ""},
		{"allowed over https", "https://127.0.0.1:9/", local, ""},
		{"allowed of IPv6", "http://[::1]:8080/", local, ""},
		{"allowed as mapped", "http://[::ffff:127.0.0.1]:8080/", local, ""},
		{"allowed, port zero", "http://127.0.0.1:0/", local, "port"},
		{"allowed, other scheme", "ftp://127.0.0.1/", local, "scheme"},
		{"a name is never excused", "http://localhost:8080/", local, "scheme port"},
		{"not in the range", "http://10.0.0.1:8080/", local, "scheme address port"},
		{"public, http, not allowed", "http://8.8.8.8/", local, "scheme port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range CheckURL("callback.url", c.in, c.allow) {
				if v.Field != "callback.url" || v.Detail == "" {
					t.Errorf("got %+v", v)
				}
				got = append(got, v.Rule)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s\n got %v\nwant %s", c.in, got, c.want)
			}
		})
	}
}

func TestCheckURLQuotesNothing(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"http://s3cret:s3cret@127.0.0.1:1/s3cret?s3cret#s3cret", "s3cret", "https://%s3cret/", "https://s3cret:s3cret/", "https://-s3cret-/", "s3cret\n", "https://x/%zz?s3cret",
	} {
		broken := CheckURL("url", in, nil)
		if len(broken) == 0 {
			t.Errorf("%q is accepted", in)
		}
		for _, v := range broken {
			if strings.Contains(v.Detail+v.Rule, "s3cret") {
				t.Errorf("%q is quoted: %+v", in, v)
			}
		}
	}
}

func TestPortsNamedForPeople(t *testing.T) {
	t.Parallel()
	broken := CheckURL("url", "https://a.example:1/", nil)
	if len(broken) != 1 || broken[0].Detail != "must have port 443 or 8443" {
		t.Errorf("got %+v", broken)
	}
}

// FuzzCheckURL gives any URL to the check: what passes leads over https to a name or a public address, at a port of
// the list, and another parser of the standard library sees the same host.
func FuzzCheckURL(f *testing.F) {
	for _, in := range []string{
		"https://hooks.example.com/a?b=c", "http://127.0.0.1:8080/", "https://[::ffff:10.0.0.1]:443/", "https://[64:ff9b::a00:1]/", "https://a@b/#c",
		"https://0x7f.1/", "https://2130706433", "https://[fe80::1%25eth0]/", "https://a.example:00443/", "//x", "https:\\\\x", "https://x:443:443/", "https://1.1.1.1:8443",
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		broken := CheckURL("url", raw, nil)
		for _, v := range broken {
			if v.Field != "url" || v.Rule == "" || v.Detail == "" {
				t.Fatalf("%+v", v)
			}
		}
		if len(broken) > 0 {
			return
		}
		u, err := url.ParseRequestURI(raw)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || len(raw) > 2048 {
			t.Fatalf("%q is accepted: %v", raw, err)
		}
		if p := strings.TrimLeft(u.Port(), "0"); p != "" && p != "443" && p != "8443" {
			t.Fatalf("port %q is accepted", p)
		}
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && (ip.Unmap().IsPrivate() || ip.Unmap().IsLoopback() || !ip.Unmap().IsGlobalUnicast()) {
			t.Fatalf("%s is accepted", ip)
		}
	})
}
