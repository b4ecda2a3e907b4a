package platform_test

import (
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/taskagent/taskagent/platform"
)

func TestPrivateDACLs(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	me := user.User.Sid.String()
	tests := []struct {
		name, sddl string
		want       bool
		fine       bool // finer than a mode can say
	}{
		{"ours", "D:P(A;OICI;FA;;;" + me + ")", true, false},
		{"ours and the system's", "D:P(A;OICI;FA;;;" + me + ")(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", true, false},
		{"everyone may read", "D:P(A;OICI;FA;;;" + me + ")(A;OICI;FR;;;WD)", false, false},
		{"everyone may enter", "D:P(A;OICI;FA;;;" + me + ")(A;;FX;;;WD)", false, true},
		{"everyone", "D:P(A;OICI;FA;;;WD)", false, false},
		{"files in it are everyone's", "D:P(A;OICI;FA;;;" + me + ")(A;OICIIO;FA;;;WD)", false, true},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sd, err := windows.SecurityDescriptorFromString(tt.sddl)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(worldDir(t), string(rune('a'+i)))
			name, err := windows.UTF16PtrFromString(dir)
			if err != nil {
				t.Fatal(err)
			}
			sa := windows.SecurityAttributes{SecurityDescriptor: sd}
			sa.Length = uint32(unsafe.Sizeof(sa))
			if err := windows.CreateDirectory(name, &sa); err != nil {
				t.Fatal(err)
			}
			kept, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
			if err != nil {
				t.Fatal(err)
			}
			if tt.fine && underWine() {
				t.Skipf("Wine keeps modes, not lists: it made %s", kept)
			}
			if got, err := platform.IsPrivateDir(dir); got != tt.want || err != nil {
				t.Errorf("%v, %v; want %v with %s", got, err, tt.want, kept)
			}
		})
	}
}

func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

func TestHardenOnWindows(t *testing.T) {
	if err := platform.Harden(); err != nil {
		t.Error(err)
	}
}
