package dynamostore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// keepNotice is how long a notice stays in its owner's inbox: as long as a final job.
const keepNotice = keepFinal

// putNotice returns the writes of a notice that is not there yet, and of the events that
// tell of it outside of the inbox.
func (s *Store) putNotice(n *job.Notice) ([]types.TransactWriteItem, error) {
	w, err := document(noticeKey(n.Owner, n.ID), n)
	if err != nil {
		return nil, err
	}
	w.str("own", noticesOf(n.Owner))
	w.str("os", place(n.At, n.ID))
	w["ttl"] = num(n.At.Add(keepNotice).Unix())
	all := []types.TransactWriteItem{s.putNew(item(w))}
	for _, e := range n.Events() {
		all = append(all, s.putEvent(e))
	}
	return all, nil
}

// PutNotice implements flow.Mail.
func (s *Store) PutNotice(ctx context.Context, n *job.Notice) error {
	puts, err := s.putNotice(n)
	if err != nil {
		return err
	}
	err = s.transact(ctx, puts...)
	rs, _ := reasons(err)
	if _, there := refused(rs, 0); err == nil || there {
		return nil
	}
	return coded("put notice", err)
}

// Notice implements flow.Mail.
func (s *Store) Notice(ctx context.Context, owner, id string) (job.Notice, error) {
	row, err := s.get(ctx, noticeKey(owner, id))
	if err != nil {
		return job.Notice{}, err
	}
	if row == nil {
		return job.Notice{}, job.Errorf(job.NotFound, "no notification %s", id)
	}
	return undocument[job.Notice](row)
}

// Notices implements query.Inbox.
func (s *Store) Notices(ctx context.Context, owner, after string, n int) ([]job.Notice, string, error) {
	keys, next, err := s.owned(ctx, noticesOf(owner), after, n)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.rows(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	found := map[string]job.Notice{}
	for _, row := range rows {
		v, err := undocument[job.Notice](row)
		if err != nil {
			return nil, "", err
		}
		found[reader(row).str("sk")] = v
	}
	all := make([]job.Notice, 0, len(keys))
	for _, k := range keys {
		if v, ok := found[reader(k).str("sk")]; ok {
			all = append(all, v)
		}
	}
	return all, next, nil
}

// Preferences implements kinds.Readings; who has said nothing has the zero ones.
func (s *Store) Preferences(ctx context.Context, owner string) (job.Preferences, error) {
	row, err := s.get(ctx, preferencesKey(owner))
	if err != nil || row == nil {
		return job.Preferences{}, err
	}
	return undocument[job.Preferences](row)
}

// SavePreferences implements intake.Reviews.
func (s *Store) SavePreferences(ctx context.Context, owner string, p job.Preferences) error {
	w, err := document(preferencesKey(owner), p)
	if err != nil {
		return err
	}
	return s.repeat(ctx, func() error {
		if err := s.put(ctx, &types.Put{TableName: &s.table, Item: item(w)}); err != nil {
			return coded("put preferences", err)
		}
		return nil
	})
}
