// Package account is the small ports on the account around the jobs: the provider's
// credentials in Secrets Manager, the operators' topic in SNS, and the event source
// mappings that feed the workers.
//
// It promises no more than each of these services does by itself, and keeps nothing
// but the credentials, for a while.
package account
