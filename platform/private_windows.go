package platform

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// harmless are the rights that show attributes but nothing of the content.
const harmless = windows.SYNCHRONIZE | windows.READ_CONTROL | windows.FILE_READ_ATTRIBUTES | windows.FILE_READ_EA

// inheritance hands an entry of a directory down to files and directories.
const inheritance = "OICI"

func isPrivateDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, windows.ERROR_DIRECTORY
	}
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return false, err
	}
	dacl, _, err := sd.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) || (err == nil && dacl == nil) {
		return false, nil // no list at all: open to everyone
	}
	if err != nil {
		return false, err
	}
	trusted, err := trustedSIDs(sd)
	if err != nil {
		return false, err
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return false, err
		}
		if ace.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE || ace.Mask&^harmless == 0 {
			continue
		}
		// Conditional and object entries have another layout. None is made
		// by us, so one that gives anything is taken as not private.
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE {
			return false, nil
		}
		if !containsSID(trusted, (*windows.SID)(unsafe.Pointer(&ace.SidStart))) {
			return false, nil
		}
	}
	return true, nil
}

// trustedSIDs are those whose rights leave a directory private: its owner,
// us, SYSTEM, Administrators, and whoever creates or owns a file in it.
func trustedSIDs(sd *windows.SECURITY_DESCRIPTOR) ([]*windows.SID, error) {
	var sids []*windows.SID
	if owner, _, err := sd.Owner(); err == nil && owner != nil {
		sids = append(sids, owner)
	}
	me, err := currentSID()
	if err != nil {
		return nil, err
	}
	sids = append(sids, me)
	for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
		windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid,
		windows.WinCreatorOwnerSid, windows.WinCreatorOwnerRightsSid,
	} {
		sid, err := windows.CreateWellKnownSid(kind)
		if err != nil {
			return nil, err
		}
		sids = append(sids, sid)
	}
	return sids, nil
}

func containsSID(sids []*windows.SID, sid *windows.SID) bool {
	for _, s := range sids {
		if s.Equals(sid) {
			return true
		}
	}
	return false
}

// currentSID is the user that this process runs as.
func currentSID() (*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("read own user: %w", err)
	}
	return user.User.Sid, nil
}

// privateDescriptor gives everything to us, SYSTEM and Administrators and
// nothing to anybody else, and inherits nothing from above.
func privateDescriptor(inherit string) (*windows.SECURITY_DESCRIPTOR, error) {
	me, err := currentSID()
	if err != nil {
		return nil, err
	}
	return windows.SecurityDescriptorFromString(fmt.Sprintf(
		"D:P(A;%[1]s;FA;;;%[2]s)(A;%[1]s;FA;;;SY)(A;%[1]s;FA;;;BA)", inherit, me))
}

func makePrivateDir(path string, uid, gid int) error {
	if uid != -1 || gid != -1 {
		return fmt.Errorf("give it to %s: %w", ownerString(uid, gid), errors.ErrUnsupported)
	}
	sd, err := privateDescriptor(inheritance)
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	// With the directory, not after it: nobody gets in between.
	return windows.CreateDirectory(name, &windows.SecurityAttributes{
		Length:             uint32(unsafe.Sizeof(windows.SecurityAttributes{})),
		SecurityDescriptor: sd,
	})
}

var reOpenFile = windows.NewLazySystemDLL("kernel32.dll").NewProc("ReOpenFile")

func protectFile(f *os.File) error {
	dacl, err := privateDACL()
	if err != nil {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	// A file opened for reading and writing may not change its DACL, so a
	// second handle to the same file, not to its name, is opened for that.
	var opErr error
	err = raw.Control(func(fd uintptr) {
		h, _, callErr := reOpenFile.Call(fd, windows.READ_CONTROL|windows.WRITE_DAC,
			windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, 0)
		if windows.Handle(h) == windows.InvalidHandle {
			opErr = callErr
			return
		}
		defer windows.CloseHandle(windows.Handle(h))
		opErr = windows.SetSecurityInfo(windows.Handle(h), windows.SE_FILE_OBJECT,
			windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
	})
	if err != nil {
		return err
	}
	return opErr
}

func protectSocket(path string) error {
	dacl, err := privateDACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

func privateDACL() (*windows.ACL, error) {
	sd, err := privateDescriptor("")
	if err != nil {
		return nil, err
	}
	dacl, _, err := sd.DACL()
	return dacl, err
}
