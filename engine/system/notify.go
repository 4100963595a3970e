package system

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// notifyTime is how long a message to the service manager may take. A manager that does not
// read its socket must not delay signals, which wait for some messages.
const notifyTime = time.Second

// ServiceManager is the manager that has started this process and wants to know its state,
// such as systemd. The protocol is that of sd_notify(3). The zero value is none: its methods
// do nothing.
type ServiceManager struct {
	socket string
	// Watchdog is how often the manager wants to hear that the process works; 0: it does not.
	Watchdog time.Duration
}

// FindServiceManager returns the service manager of the environment; the zero value if there is
// none.
func FindServiceManager(lookup func(string) (string, bool), pid int) (m ServiceManager, err error) {
	m.socket, _ = lookup("NOTIFY_SOCKET")
	if m.socket == "" {
		return m, nil
	}
	if m.socket[0] != '/' && m.socket[0] != '@' {
		return ServiceManager{}, fmt.Errorf("NOTIFY_SOCKET: expected a path or @NAME, got %q", m.socket)
	}
	every, _ := lookup("WATCHDOG_USEC")
	if of, ok := lookup("WATCHDOG_PID"); every == "" || ok && of != strconv.Itoa(pid) {
		return m, nil // it watches another process
	}
	us, err := strconv.ParseInt(every, 10, 64)
	if m.Watchdog = time.Duration(us) * time.Microsecond; err != nil || us <= 0 || m.Watchdog/time.Microsecond != time.Duration(us) {
		m.Watchdog = 0
		return m, fmt.Errorf("WATCHDOG_USEC: expected microseconds, got %q", every)
	}
	return m, nil
}

// Present reports whether there is a service manager.
func (m ServiceManager) Present() bool { return m.socket != "" }

// Send sends assignments such as READY=1 in one message. A line break in a value becomes a
// space.
func (m ServiceManager) Send(assignments ...string) error {
	if !m.Present() {
		return nil
	}
	lines := make([]string, len(assignments))
	for i, a := range assignments {
		lines[i] = strings.Join(strings.FieldsFunc(a, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer c.Close()
	if err = c.SetWriteDeadline(time.Now().Add(notifyTime)); err == nil {
		_, err = c.Write([]byte(strings.Join(lines, "\n")))
	}
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}
