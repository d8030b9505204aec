package dynamostore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// All keys of the table and its indexes are made in this file. A key is a kind and its parts,
// with a # between them. joined escapes every part, so that no two tuples make one key, however
// a user chooses an owner's subject, a unique key or the name of a campaign. nameIn is the way
// back. The test of this file lists every function here.

// joined returns the key of a kind and its parts.
func joined(kind string, parts ...string) string {
	var b strings.Builder
	b.WriteString(kind)
	for _, p := range parts {
		b.WriteString("#" + escaped(p))
	}
	return b.String()
}

// escaped returns a part that a # can end. Nothing but % and # is escaped: plain names keep
// their form, and the sort key of an index has at most 1024 bytes, of which two names of 64
// characters may take four each.
func escaped(part string) string {
	return strings.ReplaceAll(strings.ReplaceAll(part, "%", "%25"), "#", "%23")
}

// unescaped is the inverse of escaped. The order counts: %2523 is %23.
func unescaped(part string) string {
	return strings.ReplaceAll(strings.ReplaceAll(part, "%23", "#"), "%25", "%")
}

// nameIn returns the part of a key that has one: the id or the owner that joined got. Without
// a # there is none.
func nameIn(key string) string {
	_, part, _ := strings.Cut(key, "#")
	return unescaped(part)
}

// key returns the primary key of a row.
func key(pk, sk string) item { return item{"pk": str(pk), "sk": str(sk)} }

// Rows of one partition that are read together.
func jobRows(id string) string        { return joined("JOB", id) }
func pointRows(id string) string      { return joined("POINT", id) }
func userRows(owner string) string    { return joined("USER", owner) }
func qualityRows(point string) string { return joined("QUALITY", point) }
func itemRows(b *job.Batch) string    { return joined("ITEMS", b.Partition()) }

// Rows that stand alone in their partition.
func eventRow(id string) item             { return key(joined("EVENT", id), "EVENT") }
func chainRow(id string) item             { return key(joined("CHAIN", id), "CHAIN") }
func batchRow(id string) item             { return key(joined("BATCH", id), "BATCH") }
func operationRow(id string) item         { return key(joined("OPERATION", id), "OPERATION") }
func cacheKey(hash string) item           { return key(joined("CACHE", hash), "CACHE") }
func poisonKey(hash string) item          { return key(joined("POISON", hash), "POISON") }
func tokenKey() item                      { return key(joined("TOKEN", "copernicus"), "TOKEN") }
func doorKey() item                       { return key(joined("LIMIT", "copernicus-api"), "LIMIT") }
func lockKeyOf(owner, unique string) item { return key(joined("LOCK", owner, unique), "LOCK") }
func campaignKey(owner, id string) item   { return key(joined("CAMPAIGN", owner, id), "CAMPAIGN") }

// Rows of a job, a point and a batch.
func jobKey(id string) item   { return key(jobRows(id), "JOB") }
func pointKey(id string) item { return key(pointRows(id), "POINT") }

// callKey returns the key of a call to the provider for a job; calls sort by time.
func callKey(c *limit.Call) item {
	return key(jobRows(c.Job), fmt.Sprintf("CALL#%013d#%d#%d", ms(c.At), c.Attempt, c.Sequence))
}

// analysisSort returns the sort key of a revision's analysis.
func analysisSort(revision int) string { return fmt.Sprintf("ANALYSIS#%06d", revision) }

func analysisKey(point string, revision int) item {
	return key(pointRows(point), analysisSort(revision))
}

// itemKey returns the key of a batch's item. Its sort key is one part, which needs no escape.
func itemKey(b *job.Batch, point string) item { return key(itemRows(b), point) }

// Rows of a user. The key of a meter comes from package usage, in words of a closed list.
func meterKey(owner, meter string) item { return key(userRows(owner), meter) }
func planKey(owner string) item         { return key(userRows(owner), "PLAN") }
func preferencesKey(owner string) item  { return key(userRows(owner), "PREFERENCES") }
func noticeKey(owner, id string) item   { return key(userRows(owner), joined("NOTICE", id)) }

// receiversKey is the row of what is known of an owner's receivers. One row for each owner
// bounds what a user with many of them can store.
func receiversKey(owner string) item { return key(userRows(owner), "RECEIVERS") }

// qualityKey returns the key of what the rules say about a revision. It is a partition of
// its own: a point's is read from its end, where its newest analysis is.
func qualityKey(point string, revision int) item {
	return key(qualityRows(point), fmt.Sprintf("RULES#%06d", revision))
}

// flagPrefix begins the sort key of what a person says about a point.
const flagPrefix = "FLAG#"

// flagKey returns the key of what a person says about a point: one row for each type and reason.
func flagKey(point, kind, reason string) item {
	return key(qualityRows(point), flagPrefix+job.DerivedID(kind, reason))
}

// Partitions of the owner index.
func jobsOf(owner string) string        { return userRows(owner) }
func ledgerKey(owner string) string     { return joined("LEDGER", owner) }
func chainsOf(owner string) string      { return joined("CHAINS", owner) }
func batchesOf(owner string) string     { return joined("BATCHES", owner) }
func noticesOf(owner string) string     { return joined("NOTICES", owner) }
func operationsKey(owner string) string { return joined("OPERATIONS", owner) }
func pointsOf(owner string) string      { return joined("POINTS", owner) }

// place returns where a row stands in its owner's list, as text that sorts.
func place(created time.Time, id string) string {
	return joined(fmt.Sprintf("%013d", created.UnixMilli()), id)
}

// yearOne is how many milliseconds the first year is before 1970. Readings may be as old as
// that, and numbers below zero do not sort as text.
const yearOne = 62_135_596_800_000

// campaignPrefix begins the places of a campaign's readings, or of those of one metric.
func campaignPrefix(names ...string) string {
	return strings.TrimPrefix(joined("", names...), "#") + "#"
}

// readingPlace returns where a reading stands among its campaign's, as text that sorts.
func readingPlace(campaign, metric string, at time.Time) string {
	return campaignPrefix(campaign, metric) + fmt.Sprintf("%015d", at.UnixMilli()+yearOne)
}

// pointPlace returns where a point stands among its owner's points of a campaign.
func pointPlace(campaign, metric string, at time.Time, id string) string {
	return joined(readingPlace(campaign, metric, at), id)
}

// Partitions of the open index that hold something else than open or dead jobs. All
// of them are small, so each is one.
const (
	skippedKey   = "skipped"
	eventKey     = "event"
	operationKey = "operation"
	poisonsKey   = "poison"
	flowKey      = "flow"
)

// graveKey returns the partition of an owner's dead jobs in the open index.
func graveKey(owner string) string { return joined("dead", owner) }

// shardKey returns the partition of the open index.
func shardKey(shard int) string { return joined("open", strconv.Itoa(shard)) }

// groupKey returns the partition of an owner's jobs of a group in the group index.
func groupKey(group job.Group, owner string) string { return joined(string(group), owner) }

// Partitions of the line index: an owner's jobs in line at a queue, and the owners in line.
func inLineKey(queue, owner string) string { return joined("job", queue, owner) }
func waitersKey(queue string) string       { return joined("owner", queue) }

// ownerInLine returns the row of an owner with jobs in line at a queue.
func ownerInLine(queue, owner string) item { return key(userRows(owner), joined("LINE", queue)) }

// laneKey returns the partition of a lane of events in the open index. That of operators has
// the name that all events had before there were lanes.
func laneKey(lane int) string {
	if lane == job.OperatorLane {
		return eventKey
	}
	return joined(eventKey, strconv.Itoa(lane))
}
