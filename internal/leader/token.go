package leader

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// maxToken is more than the operator's token takes in its file.
const maxToken = 128

// readToken reads the operator's token from the data directory.
func readToken(dir string) (string, error) {
	path := filepath.Join(dir, datadir.Token)
	data, err := datafile.Read(path, maxToken)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if !state.IsID(secret) {
		return "", &datafile.Error{Op: "read", Path: path, Err: errors.New("holds no token"), Advice: "remove the file"}
	}
	return secret, nil
}

// checkToken looks after the operator's token. A leader leads without it: tasks
// do not need it, and whoever owns the directory can do without. So what is wrong
// with the file is said, and nothing that somebody put there is touched; where
// there is none the token of the store is written again.
func (l *Leader) checkToken() {
	path := filepath.Join(l.cfg.DataDir, datadir.Token)
	secret, err := readToken(l.cfg.DataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := l.writeToken(path); err != nil {
			l.warnHint("the operator's token is missing and cannot be written again", err, "")
			return
		}
		l.log.Warn("the operator's token was missing and is written again: it is the same one", "file", path)
	case errors.Is(err, datafile.ErrTooOpen):
		l.warnHint("other users may have read the operator's token", err, "chmod 600 "+path+"; where they can enter the directory, delete the token, too")
	case err != nil:
		l.warnHint("the operator's token cannot be used", err, "remove "+path+": the next leader writes it again")
	case !l.knows(secret):
		err := fmt.Errorf("%s holds a token that was deleted or never was one of this directory", path)
		l.warnHint("the operator's token cannot be used", err, "make one with `taskagent acl token create -type management`, and put it or nothing in the file's place")
	}
}

// knows reports whether the secret is that of a management token.
func (l *Leader) knows(secret string) bool {
	t := l.store.TokenBySecret(secret)
	return t != nil && t.Type == state.TokenManagement
}

// writeToken writes the token that the directory was made with.
func (l *Leader) writeToken(path string) error {
	t := l.store.OperatorToken()
	if t == nil {
		return fault.Hint(errors.New("it was deleted from the store"), "make one with `taskagent acl token create -type management`")
	}
	secret, err := l.store.TokenSecret(t)
	if err != nil {
		return fmt.Errorf("decrypt it: %w", err)
	}
	return datafile.Publish(path, fmt.Appendln(nil, secret))
}

// warnHint logs what is wrong and what to do about it: hint or, when that is
// empty, what the error says.
func (l *Leader) warnHint(what string, err error, hint string) {
	if hint == "" {
		hint = fault.HintOf(err)
	}
	l.log.Warn(what, "error", err, "hint", hint)
}
