package flush

import (
	"context"

	"scopegate/mapping"
)

// Off is the Flusher of FLUSH_AUTHORIZER_CACHE=off: it empties nothing, and says
// so. Changes then count when API Gateway's own TTL has passed.
type Off struct{}

// Begin is Flusher's.
func (Off) Begin(context.Context, string, ...mapping.API) Pending { return off{} }

type off struct{}

func (off) Done(context.Context) Result { return Result{Flush: "off"} }
