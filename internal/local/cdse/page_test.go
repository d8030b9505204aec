package cdse

import "testing"

// The scene is one feature, so paging over several is shown on the function itself.
func TestPaging(t *testing.T) {
	t.Parallel()
	all := []any{"a", "b", "c", "d", "e"}
	cases := []struct {
		limit, next  int
		first        any
		size, follow int
	}{
		{2, 0, "a", 2, 2}, {2, 2, "c", 2, 4}, {2, 4, "e", 1, 0}, {5, 0, "a", 5, 0}, {2, 5, nil, 0, 0}, {100, 3, "d", 2, 0},
	}
	for _, c := range cases {
		got := page(all, c.limit, c.next)
		if len(got.Features) != c.size || got.Context.Next != c.follow || got.Context.Returned != c.size || got.Context.Limit != c.limit {
			t.Errorf("limit %d next %d: %+v", c.limit, c.next, got)
		}
		if c.size > 0 && got.Features[0] != c.first {
			t.Errorf("limit %d next %d starts with %v", c.limit, c.next, got.Features[0])
		}
	}
}
