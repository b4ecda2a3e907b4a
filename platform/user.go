package platform

// User is an account of this system that a task can run as and files can be
// given to.
type User struct {
	// Name is the account's name; empty when the uid has no entry in the
	// user database.
	Name string
	// UID and GID are the user and the primary group.
	UID, GID int
	// Groups holds every group of the user, the primary one first.
	Groups []int
	// Home is the home directory; empty when the uid has no entry.
	Home string
}

// LookupUser resolves spec, NAME|UID[:GID|:GROUP].
//
// A number is a uid and need not have an entry in the user database; such a
// user's group is GID, or the number of the user when none is given, never
// root's. A name must exist. Without a group in spec the user has the groups
// that the system's databases name; with one, exactly that group and no other,
// so that naming a group never leaves more rights than it says.
//
// In a binary built without cgo the databases are /etc/passwd and /etc/group:
// users of a directory service must be given by number. Where the system has
// no numeric users (Windows) the error matches [errors.ErrUnsupported].
func LookupUser(spec string) (User, error) {
	return lookupUser(spec)
}
