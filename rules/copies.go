package rules

import (
	"path"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// A copy of a rule file must not run beside the file: the copy of a filter that
// was made stricter since still reads what the filter keeps unread. copyOf knows
// copies by their names, which programs make in few ways. There are two kinds of
// forms: those that nobody gives a rule file on purpose, and those that are a
// copy's only if the original is beside it ("codes 2.lua" beside codes.lua).

// Noise reports whether an entry is hidden, or is one that editors, desktops and file
// servers write beside files. Nobody mistakes it for a rule, and it is not listed as
// ignored.
func Noise(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") || strings.HasSuffix(name, "~") {
		return true
	}
	if strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") {
		return true
	}
	switch name {
	case "4913", // Vim finds out with it whether a folder can be written
		"lost+found", "System Volume Information", "$RECYCLE.BIN", "__MACOSX", "@eaDir", "#recycle", "#snapshot":
		return true
	}
	return notLoaded.MatchString(name)
}

// notLoaded matches names of temporary files and backups.
var notLoaded = regexp.MustCompile(`(?i)(\.(sw[a-px]|tmp|temp|bak\d*|old|orig|rej|part|partial)|___jb_(tmp|old)___)$`)

// copyOf returns what a name looks like a copy of, such as "a dated copy"; "" if it does
// not. beside reports whether the folder contains a name without its extension, or a
// folder of that name.
func copyOf(name string, dir bool, beside func(stem string) bool) (why string) {
	stem := norm.NFC.String(name) // macOS keeps letters and accents apart
	if !dir {
		stem = strings.TrimSuffix(stem, path.Ext(stem))
		stem = strings.TrimSuffix(stem, "_spec")
	}
	for _, f := range copyForms {
		if f.dirOnly && !dir {
			continue
		}
		if f.matches(stem, beside) {
			return f.why
		}
	}
	return ""
}

// copyForm is a pattern by which a program names copies.
type copyForm struct {
	why     string
	form    *regexp.Regexp // on the name without its ending
	behind  *regexp.Regexp // or: on the part after the name of an original that is beside it
	before  *regexp.Regexp // or: on the part before it
	dirOnly bool
}

func (f *copyForm) matches(stem string, beside func(string) bool) bool {
	if f.form != nil {
		return f.form.MatchString(stem)
	}
	for i := range stem {
		switch {
		case i == 0:
		case f.behind != nil && beside(stem[:i]) && f.behind.MatchString(stem[i:]):
			return true
		case f.before != nil && beside(stem[i:]) && f.before.MatchString(stem[:i]):
			return true
		}
	}
	return false
}

// copyWords are "copy" in the languages of desktops, as Windows, macOS, GNOME and KDE
// append it to a name (or, in some, prepend it).
const copyWords = `copy|another copy|\d+(?:st|nd|rd|th) copy|copie|autre copie|copia|otra copia|altra copia|cópia|outra cópia|còpia|kopie|andere kopie|kopia|kopi|kopio|kópia|kopija|koopia|` +
	`másolat|másolata|kopya|kopyası|afrit|sao chép|bản sao|salinan|` +
	`копия|копія|копие|копија|αντίγραφο|αντιγραφή|עותק|نسخة|สำเนา|प्रति|` +
	`コピー|副本|复件|複件|拷贝|拷貝|複製|复制|複本|복사본|사본`

// copyOfWords are words before a name: "Copy of reads", "Kopie von reads".
const copyOfWords = `copy(?: \(\d+\))? of|(?:a )?backup(?: copy)? of|sicherung(?:skopie)? von|sauvegarde de|copia de seguridad de|резервная копия|copie de|copia de|copia di|copia d'|cópia de|còpia de|kopie van|kopie von|kopi af|kopi av|kopi fra|kopi frå|kopia av|kopia från|kopia|kopie|kopie souboru|kópia|kopija|kopio tiedostosta|` +
	`másolat -|másolat –|kopya|bản sao|salinan|` +
	`копия|копія|копие на|копија|αντίγραφο του|αντίγραφο από|עותק של|نسخة من|สำเนาของ|コピー ~|コピー ～|复件|複件|복사본`

// date matches a day in a name: 2026-01-05, 20260105, 2026_01_05.
const date = `(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])`

// dayFirst matches a day in a name with the year last: 05-01-2026.
const dayFirst = `[0-3]\d[-_.][0-3]\d[-_.](?:19|20)\d\d`

var copyForms = []copyForm{
	{why: "a Syncthing conflict", form: form(`[.~]sync-conflict-\d{8}-\d{6}`)},
	// Dropbox, Nextcloud, ownCloud, Seafile, pCloud, Box, Resilio; "SFConflict user date".
	{why: "a sync conflict", form: form(`[ ._-]?[(\[][^()\[\]]*(?:conflict|konflikt|conflit|conflito|conflicto|conflitto|konflik|конфликт|конфлікт|ristiriita|ütközés|çakış|競合|衝突|冲突|충돌|σύγκρουση)[^()\[\]]*[)\]]`)},
	{why: "a sync conflict", form: form(`[ ._-](?:conflict|konflikt)(?:ed copy)?[ ._-]` + date)},
	{why: "a sync conflict", form: form(`\.(?:conflict|conflicted)\d*$`)},
	{why: "a sync conflict", form: form(`\.variant-[0-9a-f]{4}$`)}, // git-annex
	// OneDrive appends the computer's name; Windows makes up DESKTOP-7K2J9QP.
	{why: "a OneDrive conflict", form: exact(`-(?:DESKTOP|LAPTOP|WIN|MININT)-[A-Z0-9]{6,12}(?:-\d+)?$`)},
	{why: "a OneDrive conflict", behind: exact(`^-(?:[A-Z0-9]+-(?:PC|MBP|LAPTOP|DESKTOP|NB|WS)|[A-Za-z0-9-]*(?:MacBook|iMac|Mac-mini)[A-Za-z0-9-]*)(?:-\d+)?$`)},

	{why: "a merge leftover", form: exact(`[_.](?:BASE|LOCAL|REMOTE|BACKUP|HEAD)[_.]\d+$`)},
	{why: "a merge leftover", behind: exact(`^[_.](?:BASE|LOCAL|REMOTE|BACKUP|HEAD)$`)},
	{why: "a merge leftover", form: form(`\.(?:mine|theirs|ours|rej|working|merge-(?:left|right)\.r\d+)$`)},
	{why: "a merge leftover", behind: form(`^\.r\d+$`)}, // Subversion

	{why: "a backup", form: form(`\.(?:bak|bkp|backup|orig|old|tmp|temp|sav|save|prev|previous|copy)(?:\d*|[._-]\d{1,3})$`)},
	{why: "a backup", form: form(`\.~\d+~$`)}, // of GNU and Emacs, numbered
	{why: "a backup", behind: form(`^[ _-](?:bak|bkp|backup|orig|original|old|tmp|temp|prev|previous)\d*$`)},
	{why: "a folder of backups", form: form(`^_?(?:bak|backups?|orig|old|tmp|temp)$`), dirOnly: true},

	{why: "a copy", form: form(`(?: [-–—~] |[ (（[]\s?)(?:` + copyWords + `)(?:[ -]?[(（]?\d{1,3}[)）]?)?[)）\]]?(?: ?[(（]\d{1,3}[)）])?$`)},
	{why: "a copy", behind: form(`^[_.-](?:` + copyWords + `)\d*$`)},
	{why: "a copy", form: form(`(?:のコピー|的副本|的拷贝|的拷貝|的複本|의 사본)[ -]?\d*$`)},
	{why: "a copy", behind: form(`^(?:コピー|副本|拷贝|拷貝|複本|복사본|사본)\d*$`)},
	{why: "a copy", form: form(`^(?:` + copyOfWords + `) \S`)},
	{why: "a copy", form: form(`^(?:复件|複件)\s*\S`)},
	{why: "a copy", form: form(`^(?:copy|kopie|kopia|copie|copia)[_-]of[_-]\S`)},

	{why: "a numbered copy", form: form(`\S ?[(（]\d{1,3}[)）]$`)},
	{why: "a numbered copy", form: form(`\S\[\d{1,2}\]$`)},
	{why: "a numbered copy", behind: form(`^[ .]\d{1,3}$`)},

	{why: "a dated copy", form: form(`[ ._-]` + date + `[ ._T-]?(?:[01]\d|2[0-3])[-_.:h]?[0-5]\d(?:[-_.:m]?[0-5]\d)?Z?$`)},
	{why: "a dated copy", behind: form(`^[ ._-]\(?(?:` + date + `|` + dayFirst + `)\)?$`)},
	{why: "a dated copy", before: form(`^` + date + `[ ._-]$`)},
}

// form compiles a case-insensitive pattern.
func form(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?i)` + pattern) }

func exact(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }
