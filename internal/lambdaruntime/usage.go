package lambdaruntime

import (
	"errors"
	"fmt"
	"time"
)

// Memory is resident memory, in bytes.
type Memory struct {
	Now  int64 // VmRSS
	Peak int64 // VmHWM: the most there ever was
}

// errGone: the numbers of a child that has ended are another process's by now.
var errGone = errors.New("the process has ended")

// PIDs are the ids of the children that have not ended.
func (r *Runtime) PIDs() []int {
	var ids []int
	for _, p := range r.processes {
		if p.alive() {
			ids = append(ids, p.cmd.Process.Pid)
		}
	}
	return ids
}

// CPU is the time that the children have spent on processors so far, all their
// threads in user and system mode, to the nanosecond (clock_gettime of the
// process's own clock). It fails when one has ended, and elsewhere than on Linux.
func (r *Runtime) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, p := range r.processes {
		if !p.alive() {
			return 0, fmt.Errorf("read the processor time: %w", errGone)
		}
		d, err := cpuOf(p.cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("read the processor time: %w", err)
		}
		sum += d
	}
	return sum, nil
}

// Memory is what the children have in memory together (proc(5), status). It fails
// when one has ended, and elsewhere than on Linux.
func (r *Runtime) Memory() (Memory, error) {
	var sum Memory
	for _, p := range r.processes {
		if !p.alive() {
			return Memory{}, fmt.Errorf("read the memory: %w", errGone)
		}
		m, err := memoryOf(p.cmd.Process.Pid)
		if err != nil {
			return Memory{}, fmt.Errorf("read the memory: %w", err)
		}
		sum.Now += m.Now
		sum.Peak += m.Peak
	}
	return sum, nil
}

func (p *process) alive() bool {
	select {
	case <-p.gone:
		return false
	default:
		return true
	}
}
