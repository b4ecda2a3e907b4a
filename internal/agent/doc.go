// Package agent wires a task's parts together: it decides who the task is,
// gets its identities, publishes them, serves the Task API, runs the command
// and acts on renewals. It is the only package that knows all the others.
//
// Resolve turns what the user said into a Config and touches nothing; Run does
// the work and leaves nothing behind but what the user gave it.
package agent
