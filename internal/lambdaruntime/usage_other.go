//go:build !linux

package lambdaruntime

import (
	"errors"
	"time"
)

var errNotHere = errors.New("is known on Linux only")

func cpuOf(int) (time.Duration, error) { return 0, errNotHere }

func memoryOf(int) (Memory, error) { return Memory{}, errNotHere }
