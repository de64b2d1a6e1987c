package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"scopegate/store"
)

const (
	revocationsPK     = "revocations"
	revocationAuditPK = "audit#revocations" // no API's ARN is "revocations"
	principalPrefix   = "principal#"

	// ttlAttribute is when DynamoDB may remove an item, in epoch seconds
	// (migrations.TTLAttribute). Only revocations have one: one that has ended
	// refuses no token that would otherwise be taken.
	ttlAttribute = "ttl"
)

var (
	revocationNames       = []string{"principalId", "at", "until", "reason", "by"}
	revocationRecordNames = []string{"changeId", "by", "requestId", "at", "before", "after", "was", "is"}
	revocationsHeadNames  = []string{"revision", "incarnation", "fence"}
)

// revocationsHead is the meta item of all revocations. The zero head is that of
// a table that never had one.
type revocationsHead struct {
	Number      uint64 `json:"revision"`
	Incarnation string `json:"incarnation"`
	Fence       string `json:"fence"` // as head.Fence
}

// revision is the revision as the contract has it. A fence alone makes a head
// without making a revision.
func (h revocationsHead) revision() store.Revision {
	if h.Number == 0 {
		return store.Revision{}
	}
	return store.Revision{Number: h.Number, Incarnation: h.Incarnation}
}

// RevocationsRevision is store.RevocationReader's RevocationsRevision: one
// GetItem.
func (r *Reader) RevocationsRevision(ctx context.Context) (store.Revision, error) {
	h, err := r.revocationsHead(ctx)
	return h.revision(), err
}

// Revocations is store.RevocationReader's Revocations: the head, the items, and
// the head again; it starts over if the head moved in between.
func (r *Reader) Revocations(ctx context.Context) (store.Revocations, error) {
	for try := 0; ; try++ {
		all, err := r.revocationsOnce(ctx)
		if !errors.Is(err, errMoved) || try == maxLoads-1 {
			return all, wrap(err, "read revocations")
		}
		if err := pause(ctx, 0); err != nil {
			return store.Revocations{}, wrap(err, "read revocations")
		}
	}
}

func (r *Reader) revocationsOnce(ctx context.Context) (store.Revocations, error) {
	h, err := r.revocationsHead(ctx)
	if err != nil {
		return store.Revocations{}, err
	}
	if h.Number == 0 { // none, or none where this code looks for them
		return store.Revocations{}, r.fits(ctx)
	}
	in := &dynamodb.QueryInput{
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :principal)"),
		ExpressionAttributeValues: item{":principal": text(principalPrefix)},
	}
	items, err := r.fitting(ctx, in, revocationsPK)
	if err != nil {
		return store.Revocations{}, err
	}
	again, err := r.revocationsHead(ctx)
	if err != nil {
		return store.Revocations{}, err
	}
	if again.revision() != h.revision() {
		return store.Revocations{}, errMoved
	}
	all := store.Revocations{Revision: h.revision()}
	for _, it := range items {
		one, err := decodeRevocation(it)
		if err != nil {
			return store.Revocations{}, err
		}
		all.List = append(all.List, one)
	}
	slices.SortFunc(all.List, func(a, b store.Revocation) int { return strings.Compare(a.PrincipalID, b.PrincipalID) })
	return all, nil
}

// RevocationAudit is store.RevocationStore's RevocationAudit.
func (r *Reader) RevocationAudit(ctx context.Context, before string, limit int) ([]store.RevocationRecord, error) {
	if err := store.CheckAudit(before, limit); err != nil {
		return nil, err
	}
	items, err := r.newest(ctx, revocationAuditPK, before, limit)
	if err != nil {
		return nil, wrap(err, "read audit of revocations")
	}
	var records []store.RevocationRecord
	for _, it := range items {
		record, err := decodeRevocationRecord(it)
		if err != nil {
			record = store.RevocationRecord{ChangeID: textOf(it[sk]), Damaged: err.Error()}
		}
		records = append(records, record)
	}
	return records, nil
}

func (r *Reader) revocationsHead(ctx context.Context) (revocationsHead, error) {
	var h revocationsHead
	it, err := r.get(ctx, key(revocationsPK, metaSK))
	if err != nil || it == nil {
		return h, wrap(err, "read head of revocations")
	}
	if err = fromItem(it, revocationsHeadNames, &h); err == nil && h.Incarnation == "" {
		err = errors.New("attribute incarnation: must be given")
	}
	return h, wrap(err, "read head of revocations")
}

// revocationOf is what there is of a principal, nil for nothing.
func (r *Reader) revocationOf(ctx context.Context, principal string) (*store.Revocation, error) {
	it, err := r.get(ctx, key(revocationsPK, principalPrefix+principal))
	if err != nil || it == nil {
		return nil, wrap(err, "read revocation of %s", principal)
	}
	one, err := decodeRevocation(it)
	return &one, err
}

func decodeRevocation(it item) (store.Revocation, error) {
	principal := strings.TrimPrefix(textOf(it[sk]), principalPrefix)
	b, err := itemToJSON(it, revocationNames)
	if err != nil {
		return store.Revocation{}, fmt.Errorf("revocation of %s: %w", principal, err)
	}
	return store.DecodeRevocation(principal, b)
}

func decodeRevocationRecord(it item) (store.RevocationRecord, error) {
	b, err := itemToJSON(it, revocationRecordNames)
	if err != nil {
		return store.RevocationRecord{}, err
	}
	return store.DecodeRevocationRecord(b)
}
