//go:build unix

package platform

func sameUser(c Cred) bool {
	return c.UID != -1 && c.UID == CurrentUID()
}
