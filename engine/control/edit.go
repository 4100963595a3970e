package control

// MaxEditFiles is how many files of an edit are compared, and MaxEditLines of how many lines
// of one the difference is returned.
const (
	MaxEditFiles = 20
	MaxEditLines = 400
)

// Edit is what an edit that is not live changes in the live version.
type Edit struct {
	Files []FileEdit `json:"files"`          // those that differ, by name, at most MaxEditFiles
	More  int        `json:"more,omitempty"` // further files that differ
}

// FileEdit is what an edit changes in a file.
type FileEdit struct {
	File   string `json:"file"`   // within the pack
	Change string `json:"change"` // FileAdded …
	// Diff has the lines that differ and those around them, as diff -u prints them: each begins
	// with a space, - or +, or is a range @@ -12,7 +12,8 @@. Empty: Note says why.
	Diff []string `json:"diff,omitempty"`
	Note string   `json:"note,omitempty"` // DiffNotText …; "": Diff is complete
}

// Values of FileEdit.Change.
const (
	FileAdded   = "added"
	FileRemoved = "removed"
	FileChanged = "changed"
)

// Values of FileEdit.Note.
const (
	DiffNotText  = "not_text"
	DiffTooLarge = "too_large"
	DiffCut      = "cut" // after MaxEditLines
)
