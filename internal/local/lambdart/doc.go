// Package lambdart runs a function's real bootstrap binary behind the Lambda Runtime API, as Lambda does.
//
// One execution environment is one process with a Runtime API address of its own, so that no environment can answer
// for another. An environment serves one invocation at a time and is reused while it lives; the latest idle one goes
// first. When all are busy a new one starts, up to MaxInstances; beyond that Invoke gives ErrThrottled, as reserved
// concurrency does. The process sees only what Lambda gives it: the documented variables, the caller's Env, and
// nothing of the host's environment.
//
// An invocation ends when the runtime asks for the next one, not when it posts its response; that is also the moment
// at which its environment is free. It fails with Lambda's own documents: the runtime's error, Sandbox.Timedout
// (the process is killed), Runtime.ExitError (the process ended), Function.ResponseSizeTooLarge. A caller that goes
// away does not stop an invocation. An environment that dies idle is replaced without anybody noticing.
//
// Nothing survives: processes live in groups of their own, die with their parent where the system offers it, and
// Close waits for the last one.
//
// It refuses to imitate what would only be a number: memory and processor limits are not enforced, a failed
// initialisation is not tried a second time, and extensions, layers, response streaming and SnapStart do not exist.
package lambdart
