package postgres

import "syscall"

// endWithTests has a child end when the process of the tests does, also if it is killed.
func endWithTests(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
