// Command orbitq is the command line: the commands of a user of the API (points, jobs, chains, batches, usage), and those of a person
// who runs the whole system on this machine (local, token, demo).
//
// # What every command promises
//
//   - Text is for people and -o json for programs: one JSON value on standard output, and nothing else there. Progress,
//     hints and errors go to standard error.
//   - An error says what to do next, and ends with one of the exit codes of exit.go: 0 done, 1 failed, 2 the command line
//     is wrong, 3 nothing answers, 4 no such thing, 5 the input was refused, 6 a chain or batch that was waited for has
//     ended without its success.
//   - Flags win over environment variables, and those over the local stack that is found running.
//   - Each help page has an example that can be pasted, and the scripts of testdata/script run what the pages say.
//   - Ctrl-C ends a command at once and leaves nothing behind; what was accepted goes on without it.
//
// # What it refuses
//
// It refuses to know more than its users: it speaks to the API over HTTP as anybody could, and no command reads a
// table or a queue. It keeps no configuration file and no state of its own. It repeats nothing that could be done twice.
// Colours and boxes are left out, so that output can be pasted, searched and compared.
//
// # Where things are
//
// There is one file per command or group of commands. A command reads its flags, calls one package that does the work
// (client for the API, stack for the local run) and hands the result to show, which writes either format; how a result
// looks to people is in the files named after what they show. args.go has the checks of arguments, connect.go finds
// the API, exit.go turns errors into advice and codes, output.go has tables and the formats of numbers.
//
// The demo is in the files named after it: the plan says which points and what must become of each, the run stores and
// watches them, the meter reads what it cost, the report judges. What it expects follows from pixels and dates, so a
// wrong answer of the system fails the demo, and not only a crash.
//
// A new command is a function that returns a *cobra.Command, a line in root, a script in testdata/script, and nothing
// else.
package main
