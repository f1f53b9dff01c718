//go:build !linux

package filewatch

// isRemote returns false: on these systems it is not known whether other machines change files in a folder without an
// event here, and the look twice a minute finds such changes.
func isRemote(string) bool { return false }
