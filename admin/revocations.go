package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oklog/ulid/v2"

	"scopegate/internal/flush"
	"scopegate/store"
)

const (
	revocationsPath = "/v1/revocations"
	revocationPath  = revocationsPath + "/{principalId}"
)

func (s *service) registerRevocations(api huma.API) {
	huma.Register(api, protected(huma.Operation{
		OperationID: "listRevocations", Method: http.MethodGet, Path: revocationsPath, Summary: "The principals whose tokens were revoked",
		Description: "In the order of their ids, without those that have ended. For admins.",
	}, forAdmins), s.listRevocations)
	huma.Register(api, protected(huma.Operation{
		OperationID: "getRevocation", Method: http.MethodGet, Path: revocationPath, Summary: "The revocation of a principal",
		Description: "For admins.",
	}, forAdmins, 404), s.getRevocation)
	huma.Register(api, protected(huma.Operation{
		OperationID: "putRevocation", Method: http.MethodPut, Path: revocationPath, Summary: "Revoke the tokens that a principal has",
		Description: "Tokens issued until now are refused from then on; those issued later count. All caches of all API stages are flushed. " +
			"Revoking again counts for tokens issued until then, and never ends earlier than the revocation before. For admins.",
	}, forAdmins), s.putRevocation)
	huma.Register(api, protected(huma.Operation{
		OperationID: "deleteRevocation", Method: http.MethodDelete, Path: revocationPath, Summary: "Take a revocation away",
		Description: "The principal's tokens of before count again, those that have not ended. All caches of all API stages are flushed. For admins.",
	}, forAdmins, 404), s.deleteRevocation)
}

// PrincipalPath names a principal.
type PrincipalPath struct {
	PrincipalID string `path:"principalId" doc:"{tid}:{oid} for Entra ID, {issuer host}:{sub} otherwise; percent-encoded"`
}

func (p PrincipalPath) canonical() (string, error) {
	id, err := store.CanonicalPrincipal(p.PrincipalID)
	if err != nil {
		return "", invalid(&huma.ErrorDetail{Location: "path.principalId", Value: p.PrincipalID, Message: err.Error()})
	}
	return id, nil
}

// Revoking is what a revocation may say. Nothing need be said.
type Revoking struct {
	Until  *time.Time `json:"until,omitempty" doc:"When the revocation ends, at least 29 hours from now; so much is the default. Tokens of before must have ended then"`
	Reason string     `json:"reason,omitempty" doc:"For people, at most 1024 bytes"`
}

type putRevocationInput struct {
	PrincipalPath
	Body *Revoking
}

type revocationOutput struct {
	Body store.Revocation
}

// Revoked is a revocation that was made.
type Revoked struct {
	store.Revocation
	flush.Result
}

type revokedOutput struct {
	Status int
	Body   Revoked
}

type flushedOutput struct {
	Body flush.Result
}

type revocationsOutput struct {
	Body struct {
		Revocations []store.Revocation `json:"revocations" nullable:"false"`
		Next        string             `json:"next,omitempty" doc:"The cursor of the next page, if there is one"`
	}
}

// revocations reads those that count now, in the order of principals.
func (s *service) revocations(ctx context.Context) ([]store.Revocation, error) {
	all, err := s.Store.Revocations(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	now := s.Now()
	return slices.DeleteFunc(all.List, func(r store.Revocation) bool { return !now.Before(r.Until) }), nil
}

func (s *service) revocation(ctx context.Context, id string) (r store.Revocation, ok bool, err error) {
	list, err := s.revocations(ctx)
	if err != nil {
		return r, false, err
	}
	i, ok := slices.BinarySearchFunc(list, id, func(r store.Revocation, id string) int { return strings.Compare(r.PrincipalID, id) })
	if !ok {
		return r, false, nil
	}
	return list[i], true, nil
}

func (s *service) listRevocations(ctx context.Context, in *Page) (*revocationsOutput, error) {
	at, err := in.position(inTable)
	if err != nil {
		return nil, err
	}
	list, err := s.revocations(ctx)
	if err != nil {
		return nil, err
	}
	p := newPage[store.Revocation](*in)
	for _, r := range list {
		if r.PrincipalID <= at.ID {
			continue
		}
		if !p.add(r, at) {
			break
		}
		at.ID = r.PrincipalID
	}
	out := &revocationsOutput{}
	out.Body.Revocations, out.Body.Next = p.items, p.next
	return out, nil
}

func (s *service) getRevocation(ctx context.Context, in *PrincipalPath) (*revocationOutput, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	r, ok, err := s.revocation(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, notRevoked()
	}
	return &revocationOutput{Body: r}, nil
}

func notRevoked() error {
	return huma.NewError(http.StatusNotFound, "there is no revocation of the principal, or it has ended")
}

func (s *service) putRevocation(ctx context.Context, in *putRevocationInput) (*revokedOutput, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	was, known, err := s.revocation(ctx, id)
	if err != nil {
		return nil, err
	}
	var said Revoking
	if in.Body != nil {
		said = *in.Body
	}
	r, err := revoking(id, said, was, s.Now())
	if err != nil {
		return nil, err
	}
	r.By = principalID(ctx)
	flushed, err := s.revoke(ctx, store.RevocationChange{Put: &r})
	if err != nil {
		return nil, err
	}
	status := http.StatusCreated
	if known {
		status = http.StatusOK
	}
	return &revokedOutput{Status: status, Body: Revoked{r, flushed}}, nil
}

// untilSlack is how much less than [store.MinRevocation] may be asked for: a
// request takes time, and clocks differ. It is then as much as must be.
const untilSlack = 5 * time.Minute

// revoking is the revocation that a request makes. was is the one before, zero if
// there is none: neither a clock that was put back nor a shorter request may let
// tokens in again that it keeps out.
func revoking(id string, said Revoking, was store.Revocation, now time.Time) (store.Revocation, error) {
	r := store.Revocation{PrincipalID: id, At: latest(now, was.At).UTC().Round(0), Reason: said.Reason}
	least := r.At.Add(store.MinRevocation)
	r.Until = least
	if said.Until != nil {
		r.Until = *said.Until
	}
	if r.Until.Before(least.Add(-untilSlack)) {
		return r, invalid(&huma.ErrorDetail{
			Location: "body.until", Value: r.Until.Format(time.RFC3339),
			Message: fmt.Sprintf("must be at least %s from now: tokens of before must have ended", store.MinRevocation),
		})
	}
	r.Until = latest(latest(r.Until, least), was.Until).UTC().Round(0)
	return r, nil
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (s *service) deleteRevocation(ctx context.Context, in *PrincipalPath) (*flushedOutput, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	switch _, ok, err := s.revocation(ctx, id); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, notRevoked()
	}
	flushed, err := s.revoke(ctx, store.RevocationChange{Remove: id})
	if err != nil {
		return nil, err
	}
	return &flushedOutput{Body: flushed}, nil
}

// revoke makes a change of revocations and flushes every stage: who may call
// nothing any more is in the caches of all of them. The error is the answer to
// give; without one the change was made.
func (s *service) revoke(ctx context.Context, c store.RevocationChange) (flush.Result, error) {
	c.ID, c.By, c.RequestID, c.At = ulid.Make().String(), principalID(ctx), requestID(ctx), s.Now()
	if err := ctx.Err(); err != nil {
		return flush.Result{}, s.problem(ctx, err)
	}
	committing, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	pending := s.Flusher.Begin(committing, flushOwner(ctx))
	switch err := s.revokeSettled(committing, c); {
	case errors.Is(err, store.ErrNotFound):
		return flush.Result{}, notRevoked()
	case errors.Is(err, store.ErrUnknown):
		pending.Done(ctx) // as in writer.commit
		return flush.Result{}, s.problem(ctx, err)
	case err != nil:
		return flush.Result{}, s.problem(ctx, err)
	}
	return pending.Done(ctx), nil
}

// maxRepeats bounds how often an unknown outcome is asked for again.
const maxRepeats = 3

// revokeSettled is Revoke, repeated where its outcome is unknown: the same change
// under the same id is safe to repeat.
func (s *service) revokeSettled(ctx context.Context, c store.RevocationChange) error {
	_, unknown := s.Store.Revoke(ctx, c)
	err := unknown
	for range maxRepeats {
		if !errors.Is(unknown, store.ErrUnknown) || ctx.Err() != nil {
			return err
		}
		if _, err = s.Store.Revoke(ctx, c); err == nil || errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrNotFound) {
			return err
		}
		err = errors.Join(unknown, err)
	}
	return err
}
