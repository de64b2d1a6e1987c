package dynamo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/mapping"
	"scopegate/store"
)

// Limits of one transaction (AWS: "Amazon DynamoDB transactions", 100 actions
// and 4 MB in all). The bytes keep a margin, since sizes are estimated.
const (
	maxActions = 100
	maxBytes   = 3 << 20
)

// transaction is one change, ready to be sent.
type transaction struct {
	head     head // what it is conditional on
	changeID string
	actions  []types.TransactWriteItem
	answer   store.Meta
	answered bool // nothing is to be sent: the change was made before
	litter   bool // something is left over once it is made, or failed
}

// plan makes the transaction for an effect on the table that h heads. Where
// that does not fit into one, it writes a new generation first; the lists of a
// bulk change's audit record go before it in any case.
func (s *Store) plan(ctx context.Context, h head, was table, e store.Effect) (transaction, error) {
	t := transaction{head: h, changeID: e.Record.ChangeID, answer: e.After, litter: e.Delete}
	p := place{generation: h.Generation, packed: s.packedAfter(was.Snapshot, e)}
	if h.Deleted {
		p.generation = newGeneration()
	}
	edits, err := s.edits(p.generation, e)
	if err != nil {
		return t, err
	}
	frame, err := s.frame(h, p, e)
	if err != nil {
		return t, err
	}
	large := len(edits)+len(frame) > maxActions || sizeOf(edits)+sizeOf(frame) > maxBytes
	if large || e.Lists != nil {
		t.litter = true
		if large {
			edits = nil
		}
		if p, err = s.stage(ctx, h, p, was.items, e, large); err != nil {
			return t, err
		}
		if frame, err = s.frame(h, p, e); err != nil {
			return t, err
		}
	}
	t.actions = append(edits, frame...)
	return t, nil
}

// table is a table decoded, and as it is stored.
type table struct {
	store.Snapshot
	items []item
}

// place says where a change has its items and its lists, and what it packs.
type place struct {
	generation string
	stage      string // "" if nothing was written before the transaction
	packed     []byte // nil for nothing
}

// stage writes what must be there before the transaction.
func (s *Store) stage(ctx context.Context, h head, p place, items []item, e store.Effect, large bool) (place, error) {
	api := e.After.API
	p.stage = newGeneration()
	st := stage{name: p.stage, from: h, changeID: e.Record.ChangeID}
	if large {
		p.generation = p.stage
		fresh, err := applied(p.generation, items, e)
		if err != nil {
			return p, err
		}
		st.items = fresh
	}
	lists, err := parts(api, st.changeID, st.name, e.Lists)
	if err != nil {
		return p, err
	}
	st.items = append(st.items, lists...)
	return p, s.write(ctx, api, st)
}

// edits are the actions on single items of a generation.
func (s *Store) edits(generation string, e store.Effect) ([]types.TransactWriteItem, error) {
	if e.Delete {
		return nil, nil // the whole generation goes
	}
	var all []types.TransactWriteItem
	for _, p := range e.Put {
		id := p.ID()
		attributes, err := encodePermission(p, e.Stamps[id])
		if err != nil {
			return nil, err
		}
		k := key(itemsPK(e.After.API, generation), permPrefix+id)
		all = append(all, s.update(k, attributes, permissionNames, nil))
	}
	for _, id := range e.Remove {
		all = append(all, s.delete(key(itemsPK(e.After.API, generation), permPrefix+id)))
	}
	for _, r := range e.PutRoutes {
		it, err := encodeRoute(r, generation)
		if err != nil {
			return nil, err
		}
		all = append(all, s.put(it, nil))
	}
	for _, id := range e.RemoveRoutes {
		all = append(all, s.delete(key(itemsPK(e.After.API, generation), routePrefix+id)))
	}
	return all, nil
}

// frame are the actions that every change has, however many items it touches:
// the head, the audit record, the packed table and the registers of tables and
// generations.
func (s *Store) frame(h head, p place, e store.Effect) ([]types.TransactWriteItem, error) {
	api := e.After.API
	audit, err := s.auditAction(h, p, e)
	if err != nil {
		return nil, err
	}
	next, err := nextHead(h, p, e)
	if err != nil {
		return nil, err
	}
	actions := append([]types.TransactWriteItem{s.headAction(h, next, e), audit}, s.packedAction(api, p.packed)...)
	listed := key(apisPK, joined(api))
	switch {
	case e.Delete:
		actions = append(actions, s.delete(listed))
	case h.Deleted:
		actions = append(actions, s.put(listed, nil))
		if p.generation != p.stage { // else it is registered
			actions = append(actions, s.put(stageItem(api, stage{name: p.generation, from: h}), nil))
		}
	}
	return actions, nil
}

// headAction writes the meta item.
func (s *Store) headAction(h head, next item, e store.Effect) types.TransactWriteItem {
	k, was := key(metaPK(e.After.API), metaSK), h.condition()
	if e.Delete || h.Deleted { // a tombstone keeps nothing of the table but the count
		maps.Copy(next, k)
		return s.put(next, was)
	}
	var known []string
	if e.Record.HeadAfter != nil {
		known = metaNames
	} else { // not even written as it is: a later version may have more in it
		for _, name := range headNames {
			delete(next, name)
		}
	}
	if !s.plain {
		known = append(slices.Clone(known), packedAttribute)
	}
	return s.update(k, next, known, was)
}

// nextHead is the meta item after the change, but for its key.
func nextHead(h head, p place, e store.Effect) (item, error) {
	n := head{
		ARN: e.After.API.ARN, Stage: e.After.API.Stage,
		Number: e.Number, Incarnation: e.After.Revision.Incarnation,
		Generation: p.generation, Fence: h.Fence,
		Head: store.Head{Name: e.After.Name, Complete: e.After.Complete, Owners: e.After.Owners, Trust: e.After.Trust},
	}
	if e.Delete {
		n.Deleted, n.Incarnation, n.Generation = true, h.Incarnation, ""
	}
	it, err := toItem(n)
	if err == nil && p.packed != nil {
		it[packedAttribute] = text(packedName(p.packed))
	}
	return it, err
}

func (s *Store) auditAction(h head, p place, e store.Effect) (types.TransactWriteItem, error) {
	if e.Delete {
		p.generation = ""
	}
	if p.generation != h.Generation {
		e.Record.GenerationBefore, e.Record.GenerationAfter = h.Generation, p.generation
	}
	b, err := store.EncodeRecord(e)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	it, err := jsonToItem(b)
	if err != nil {
		return types.TransactWriteItem{}, err
	}
	maps.Copy(it, key(auditPK(e.After.API), e.Record.ChangeID))
	if e.Lists != nil {
		it[partsOf] = text(p.stage)
	}
	// The same change is never written twice, whatever the head says.
	return s.put(it, absent()), nil
}

// condition is a ConditionExpression with what it refers to.
type condition struct {
	expression string
	names      map[string]string
	values     item
}

// absent holds while there is no such item.
func absent() *condition { return &condition{expression: "attribute_not_exists(pk)"} }

// condition holds while the meta item is exactly the one that was read.
func (h head) condition() *condition {
	if h.never() {
		return absent()
	}
	return &condition{
		expression: "#n = :wasn AND #i = :wasi AND #g = :wasg AND #f = :wasf",
		names:      map[string]string{"#n": "revision", "#i": "incarnation", "#g": "generation", "#f": "fence"},
		values: item{
			":wasn": &types.AttributeValueMemberN{Value: fmt.Sprint(h.Number)},
			":wasi": text(h.Incarnation), ":wasg": text(h.Generation), ":wasf": text(h.Fence),
		},
	}
}

// fenceUpdate changes nothing of the meta item but its fence; where there is
// none it makes a tombstone to carry it.
func (s *Store) fenceUpdate(api mapping.API, h head) *types.Update {
	set := item{"fence": text(rand.Text())}
	if h.never() {
		set = item{
			"arn": text(api.ARN), "stage": text(api.Stage),
			"revision": &types.AttributeValueMemberN{Value: "0"}, "incarnation": text(rand.Text()),
			"generation": text(""), "fence": text(rand.Text()), "deleted": &types.AttributeValueMemberBOOL{Value: true},
		}
	}
	return s.update(key(metaPK(api), metaSK), set, nil, h.condition()).Update
}

// update sets attributes, removes those of the known names that are not among
// them, and leaves all others alone.
func (s *Store) update(k, set item, known []string, c *condition) types.TransactWriteItem {
	names, values := map[string]string{}, item{}
	var sets, removes []string
	for i, name := range slices.Sorted(maps.Keys(set)) {
		names[fmt.Sprintf("#s%d", i)], values[fmt.Sprintf(":s%d", i)] = name, set[name]
		sets = append(sets, fmt.Sprintf("#s%d = :s%d", i, i))
	}
	for i, name := range known {
		if _, ok := set[name]; !ok {
			names[fmt.Sprintf("#r%d", i)] = name
			removes = append(removes, fmt.Sprintf("#r%d", i))
		}
	}
	expression := "SET " + strings.Join(sets, ", ")
	if len(removes) > 0 {
		expression += " REMOVE " + strings.Join(removes, ", ")
	}
	u := &types.Update{TableName: &s.table, Key: k, UpdateExpression: &expression,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values}
	if c != nil {
		u.ConditionExpression = &c.expression
		maps.Copy(names, c.names)
		maps.Copy(values, c.values)
	}
	return types.TransactWriteItem{Update: u}
}

func (s *Store) put(it item, c *condition) types.TransactWriteItem {
	p := &types.Put{TableName: &s.table, Item: it}
	if c != nil {
		p.ConditionExpression = &c.expression
		p.ExpressionAttributeNames, p.ExpressionAttributeValues = c.names, c.values
	}
	return types.TransactWriteItem{Put: p}
}

// exists is the condition that an item is there, of one that is not written.
func (s *Store) exists(k item) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.table, Key: k, ConditionExpression: aws.String("attribute_exists(pk)"),
	}}
}

func (s *Store) delete(k item) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &s.table, Key: k}}
}

// transact sends a transaction. Its token, a hash of what identifies it, lets
// the SDK send it again without making it twice. Every try has a token of its
// own: with the same token other contents would be refused.
func (s *Store) transact(ctx context.Context, actions []types.TransactWriteItem, identity ...string) error {
	sum := sha256.Sum256([]byte(strings.Join(identity, "\x00")))
	token := hex.EncodeToString(sum[:16])
	_, err := s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: actions, ClientRequestToken: &token,
	})
	return err
}

// worthRetry reports whether a commit may do better when it is tried again from
// reading: the read was torn, or DynamoDB cancelled the transaction for reasons
// that pass. A failed condition is one of them, since it does not tell a moved
// revision from a fence.
func worthRetry(err error) bool {
	if errors.Is(err, errMoved) {
		return true
	}
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	for _, reason := range cancelled.CancellationReasons {
		switch code := reason.Code; {
		case code == nil || *code == "None":
		case !slices.Contains([]string{"ConditionalCheckFailed", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}, *code):
			return false
		}
	}
	return true
}

func isConditionFailed(err error) bool {
	var failed *types.ConditionalCheckFailedException
	return errors.As(err, &failed)
}

// isItemBusy reports whether a transaction that is under way holds the item.
func isItemBusy(err error) bool {
	var busy *types.TransactionConflictException
	return errors.As(err, &busy)
}
