// Package archtest keeps the shape of the code: it has no code of its own, only tests over the whole repository.
//
//   - imports_test.go: the table of who may import whom. A package that is missing from it fails the test, so every
//     new package is placed on purpose. Nothing that a function can reach knows the local run, the memory twins or
//     a test suite.
//   - purity_test.go: the core decides from values alone: no clock, no randomness, no input or output.
//   - budget_test.go: sizes of files and functions, comments, documentation, tests and dependencies, counted as the
//     style guide counts them.
//   - habits_test.go: no init, no package variables, no skipped test without a reason, no unfinished marks, no
//     packages named after nothing.
//
// Each check is a function from parsed sources to complaints, and has a test of its own that shows it can fail.
package archtest
