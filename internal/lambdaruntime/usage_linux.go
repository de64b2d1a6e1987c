package lambdaruntime

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf reads the clock that Linux keeps for each process; /proc/PID/stat counts
// in hundredths of a second. The clock's id is made as clock_getcpuclockid(3) does:
// the complement of the pid above three bits, of which 2 means that all threads
// count (CPUCLOCK_SCHED).
func cpuOf(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|2, &t); err != nil {
		return 0, fmt.Errorf("clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

func memoryOf(pid int) (Memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	return parseStatus(b)
}

// parseStatus reads lines of the form "VmRSS:	    9876 kB".
func parseStatus(b []byte) (Memory, error) {
	var m Memory
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		to := map[string]*int64{"VmRSS": &m.Now, "VmHWM": &m.Peak}[name]
		if to == nil {
			continue
		}
		var kb int64
		if _, err := fmt.Sscanf(value, "%d kB", &kb); err != nil {
			return Memory{}, fmt.Errorf("%s %q: %w", name, value, err)
		}
		*to = kb << 10
	}
	if m.Now == 0 || m.Peak == 0 {
		return Memory{}, fmt.Errorf("no VmRSS or no VmHWM in %d bytes of status", len(b))
	}
	return m, nil
}
