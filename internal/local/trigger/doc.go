// Package trigger is what invokes functions on its own account: event source mappings, which poll a queue as Lambda's
// pollers do, and schedules, which fire as EventBridge's rules do. Both invoke through one port (Invoke) and report
// nothing but logs: what a function makes of an event is its own affair.
//
// # Event source mappings
//
// A few pollers hold long polls and hand each batch to an invocation of its own, up to MaximumConcurrency at once; a
// poller that has no room for another invocation receives nothing. So an idle mapping starts a message as soon as the
// queue has it, and a busy one leaves messages where other consumers, and the redrive policy, can see them. With a
// batching window a batch is filled until the window has passed since its first message, BatchSize is reached, or it
// is as large as an invocation may be.
//
// What succeeded is deleted. With ReportBatchItemFailures the function names what failed; everything in the batch
// failed when it says so in a way that Lambda does not understand (not JSON, an identifier that is empty or of no
// message of the batch), and when the function fails or is throttled. A mapping never touches visibility: what failed
// comes back when the queue's own timeout says so, and the queue's receive count decides when it is dead.
//
// Pause stops new polls and waits for those that are out. It does not cancel them: measured with ElasticMQ, a cancelled
// long poll stays a receiver, swallows the next message and gives it back only by its visibility timeout, with one
// receive more. State says "Disabling" until then, as Lambda does.
//
// # Schedules
//
// Expressions are rate(N minutes|hours|days) and cron(minutes hours day-of-month month day-of-week year) in UTC. A
// rate counts from the start of Run and fires first after one period. Deliveries are asynchronous invocations: a
// function error is tried again twice, after one and after two more minutes; a throttle or any other failure of the
// invocation itself with growing waits.
//
// EventBridge does not wait for the run before: on AWS a run that takes longer than the period of its rule overlaps
// with the next. Here time may be compressed (Speed), and runs are not: a run that is well within the real period
// would then overlap only because of the compression. So a rule skips a firing while its last run is still going and
// has not yet taken the real period, and overlaps when it has. The same factor divides the waits between tries. Cron
// expressions name moments of the real clock and are never compressed.
//
// A scheduler's Run returns when its context has ended and every invocation has returned.
//
// # What it refuses
//
// Of mappings: filters, FIFO queues, tumbling windows, provisioned pollers and on-failure destinations. Of schedules:
// the wildcards L, W and #, event patterns, input transformers, dead letter targets, time zones and flexible windows.
package trigger
