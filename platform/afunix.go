package platform

// AFUnix reports whether the system has Unix sockets at all: nil, or an error
// that says what is missing and matches [errors.ErrUnsupported]. On Windows
// they came with build 17063 (version 1803). That sockets can be made in a
// particular place, or by this process, is not checked.
func AFUnix() error {
	return afUnix()
}
