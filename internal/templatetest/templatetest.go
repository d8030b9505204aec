// Package templatetest holds the deployment against its rules: it has no code of its own, only tests over
// template.yaml, samconfig.toml and events/.
//
// The rules are those that a reviewer of an AWS account would ask for: one role per function with exactly the
// expected actions on exactly the expected resources, queues that lose nothing, logs that expire, routes that are the
// API contract's, and configuration that SAM and the code both know. Roles are read from the template as SAM expands
// it, because SAM adds policies of its own. SAM's and CloudFormation's linters run too, and sam build builds what
// would be deployed.
//
// The Python tools come from tools/setup.sh. Without them these tests are skipped with a word on the console; where
// CI or ORBITQ_TOOLS is set, that is a failure instead.
package templatetest
