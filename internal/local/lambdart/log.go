package lambdart

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// maxLine is the longest line that is kept whole: the largest event of CloudWatch Logs.
const maxLine = 256 << 10

// lineLog writes whole lines of several writers to one, so that the lines of two processes never run into each other.
type lineLog struct {
	mu  sync.Mutex
	out io.Writer // nil: nobody listens
}

func newLineLog(out io.Writer) *lineLog { return &lineLog{out: out} }

// printf writes one line.
func (l *lineLog) printf(format string, args ...any) {
	if l.out == nil {
		return
	}
	l.write(fmt.Appendf(nil, format+"\n", args...))
}

// write passes lines on; a log that cannot be written does not stop a function.
func (l *lineLog) write(lines []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.out.Write(lines)
}

// stream returns a writer for the output of one process.
func (l *lineLog) stream() io.Writer {
	if l.out == nil {
		return nil
	}
	return &lineStream{log: l}
}

// lineStream passes on whole lines; what a process leaves of its last line is lost, as a crash would lose it.
type lineStream struct {
	log  *lineLog
	rest []byte
}

// Write implements io.Writer; it takes everything.
func (s *lineStream) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\n') + 1
	// A process that never ends its line must not fill the memory.
	if end == 0 && len(s.rest) >= maxLine {
		s.rest = append(s.rest, '\n')
		end = len(s.rest)
	}
	if end > 0 {
		s.log.write(s.rest[:end])
		s.rest = append(s.rest[:0], s.rest[end:]...)
	}
	return len(p), nil
}

// reportStart writes the line that opens an invocation.
func (in *instance) reportStart(inv *invocation) {
	in.f.log.printf("START RequestId: %s Version: %s", inv.id, in.f.cfg.Version)
}

// report writes the lines that close an invocation. Lambda counts the memory of the whole environment; here it is that
// of the process, which has ended and tells nothing any more when the invocation killed it.
func (in *instance) report(inv *invocation, end ending) {
	if in.f.log.out == nil {
		return
	}
	// The words that Lambda appends for invocations that took their environment with them.
	status := ""
	switch {
	case end.errorType == "Sandbox.Timedout":
		status = "\tStatus: timeout"
		limit := in.f.cfg.Timeout
		if end.Duration == 0 {
			limit = in.f.cfg.InitTimeout
		}
		in.f.log.printf("%s %s %s", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), inv.id, timedOut(limit))
	case end.FunctionError != "" && end.gone:
		status = "\tStatus: error\tError Type: " + end.errorType
	}
	initial := ""
	if end.Init > 0 {
		initial = fmt.Sprintf("\tInit Duration: %.2f ms", milliseconds(end.Init))
	}
	in.mu.Lock()
	pid := in.pid
	in.mu.Unlock()
	in.f.log.printf("END RequestId: %s", inv.id)
	in.f.log.printf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB%s%s",
		inv.id, milliseconds(end.Duration), end.BilledMS, in.f.cfg.MemoryMB, peakMemoryMB(pid), initial, status)
}

// milliseconds is a duration as Lambda writes it.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
