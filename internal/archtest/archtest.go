// Package archtest keeps the shape of the code and of its deployment: it has no code of its own, only tests over the whole repository.
//
//   - imports_test.go: the table of who may import whom. A package that is missing from it fails the test, so every
//     new package is placed on purpose. Nothing that a function can reach knows the local run, the memory twins or
//     a test suite.
//   - purity_test.go: the core decides from values alone: no clock, no randomness, no input or output.
//   - budget_test.go: sizes of files and functions, package and exported comments, and dependencies.
//   - habits_test.go: no init, no package variables, no skipped test without a reason, no unfinished marks, no
//     packages named after nothing.
//
// The tests in template_*_test.go hold the deployment against its rules: template.yaml, samconfig.toml and events/.
// They are what a reviewer of an AWS account would ask for: one role per function with exactly the expected actions on
// exactly the expected resources, queues that lose nothing, logs that expire, routes that are the API contract's, and
// configuration that SAM and the code both know. Roles are read from the template as SAM expands it, because SAM adds
// policies of its own. The Python tools come from tools/setup.sh; without them these tests are skipped with a word on
// the console, where CI or ORBITQ_TOOLS is set that is a failure instead.
//
// The tests in statemachine_*_test.go hold the definitions in statemachines/ against the rules of the calls they make, walk
// the cases beside them through every transition, and draw docs/chains-and-batches.md. asl-validator, which knows the
// language itself, needs Node; where setup.sh found none, its test is skipped with that reason even in CI.
//
// Each check is a function from parsed sources to complaints, and has a test of its own that shows it can fail.
package archtest
