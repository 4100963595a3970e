package rules

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// Files and folders with the names that programs give to copies are not packs. Each
// name is tried next to codes.lua, and alone where its form alone marks a copy.
func TestCopiesAreIgnored(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ of, names string }{
		{"Syncthing", "codes.sync-conflict-20260105-101500-ABCDEFG|codes.sync-conflict-20260105-101500|codes~sync-conflict-20260105-101500"},
		{"Dropbox", "codes (Ada's conflicted copy 2026-01-05)|codes (conflicted copy)|codes (Case Conflict)|codes (Konflikt von Ada 2026-01-05)|codes (In Konflikt stehende Kopie von Ada 2026-01-05)|codes (Copie en conflit de Ada 2026-01-05)|codes (copia en conflicto de Ada)|codes (copia in conflitto di Ada)|codes (cópia em conflito de Ada)|codes (Ada の競合コピー)|codes (Ada 的冲突副本)|codes (Adaの衝突したコピー)"},
		{"Nextcloud, ownCloud", "codes (conflicted copy 2026-01-05 101500)|codes_conflict-20260105-101500"},
		{"Seafile, pCloud, Resilio", "codes (SFConflict ada@example.com 2026-01-05-10-15-00)|codes [conflicted]|codes.Conflict"},
		{"git-annex", "codes.variant-a1b2"},
		{"OneDrive", "codes-DESKTOP-7K2J9QP|codes-DESKTOP-ABC123|codes-LAPTOP-1A2B3C4D|codes-DESKTOP-7K2J9QP-2"},
		{"git mergetool", "codes_BASE_4711|codes_LOCAL_4711|codes_REMOTE_4711|codes_BACKUP_4711|codes.BASE.4711"},
		{"merges", "codes.mine|codes.theirs|codes.ours|codes.rej|codes.merge-left.r12"},
		{"backups", "codes.bak|codes.orig|codes.old|codes.tmp|codes.temp|codes.BAK|codes.bak2|codes.old1|codes.backup|codes.save|codes.copy|codes.old.2|codes.bak-1|Backup of codes|backup copy of codes|Sicherung von codes"},
		{"English", "Copy of codes|Copy (2) of codes|codes - Copy|codes - Copy (2)|codes copy|codes copy 2|codes (copy)|codes (copy 1)|codes (another copy)|codes (3rd copy)|codes Copy(1)"},
		{"German", "Kopie von codes|codes - Kopie|codes Kopie|codes - Kopie (3)|codes (Kopie)|codes (Kopie 2)|codes (andere Kopie)"},
		{"French", "Copie de codes|codes - Copie|codes copie 2|codes (copie)|codes (autre copie)"},
		{"Spanish", "Copia de codes|codes - copia|codes copia|codes (copia)|codes (otra copia)"},
		{"Italian", "Copia di codes|codes - Copia (2)|codes copia 3|codes (altra copia)"},
		{"Portuguese", "Cópia de codes|codes - Cópia|codes (cópia)|codes (outra cópia)"},
		{"Dutch", "Kopie van codes|codes - kopie|codes kopie 2"},
		{"Swedish", "Kopia av codes|Kopia från codes|codes - Kopia|codes (kopia)"},
		{"Danish", "Kopi af codes|codes - Kopi|codes kopi"},
		{"Norwegian", "Kopi av codes|Kopi fra codes|codes - Kopi (2)"},
		{"Finnish", "codes - Kopio|codes (kopio)|codes kopio 2"},
		{"Polish", "Kopia codes|codes — kopia|codes - Kopia"},
		{"Czech, Slovak", "Kopie codes|codes – kopie|codes - kópia"},
		{"Hungarian", "Másolat - codes|codes - másolat|codes másolata"},
		{"Turkish", "codes - Kopya|codes kopyası|Kopya codes"},
		{"Russian", "Копия codes|codes — копия|codes - копия (2)|codes копия"},
		{"Ukrainian", "Копія codes|codes - копія"},
		{"Greek", "Αντίγραφο του codes|codes - Αντίγραφο|codes αντίγραφο 2"},
		{"Japanese", "codes - コピー|codes のコピー|codesのコピー|codesのコピー2|コピー ~ codes|codes - コピー (2)"},
		{"Chinese", "codes - 副本|codes 副本|codes的副本|复件 codes|codes 拷贝|codes 拷貝 2|codes - 複製|複件 codes|codes - 副本 (2)|codes（副本）|codes(复件)|codes（复件）|codes 复件 2"},
		{"Korean", "codes - 복사본|codes 복사본|codes의 사본|복사본 codes"},
		{"others", "codes - còpia|codes - kopija|codes - koopia|codes - Bản sao|codes - สำเนา|codes - עותק|codes - نسخة|نسخة من codes"},
		{"numbers", "codes (1)|codes(2)|codes (12)|codes[1]|codes（2）"},
		{"times", "codes-20260105-101500|codes_2026-01-05_10-15|codes.20260105T101500Z|codes 2026-01-05 10.15.00|codes-202601051015"},
	} {
		for _, stem := range strings.Split(tt.names, "|") {
			for _, form := range []string{norm.NFC.String(stem), norm.NFD.String(stem)} {
				expectPacks(t, tt.of, "codes", "codes.lua", form+".lua")
				expectPacks(t, tt.of, "", form+".lua")
				expectPacks(t, tt.of, "codes", "codes.lua", form+"/r.lua")
				expectPacks(t, tt.of, "codes", "codes/r.lua", form+"/r.lua")
			}
		}
	}
}

// A numbered backup is none, whichever way round the endings are.
func TestNumberedBackupsAreIgnored(t *testing.T) {
	t.Parallel()
	for _, stem := range []string{"codes.~1~", "codes.~12~"} {
		expectPacks(t, "GNU", "codes", "codes.lua", stem+".lua")
		expectPacks(t, "GNU", "", stem+".lua")
	}
}

// These are a copy's names only while the original stands beside it.
func TestCopiesBesideTheirOriginalAreIgnored(t *testing.T) {
	t.Parallel()
	for _, stem := range []string{
		"codes 2", "codes.2", "codes-2026-01-05", "codes.20260105", "codes_2026_01_05", "codes (2026-01-05)", "codes.05-01-2026", "codes 05.01.2026", "codes_05_01_2026", "2026-01-05-codes", "20260105 codes",
		"codes-old", "codes_old", "codes-bak", "codes_backup", "codes old", "codes-orig", "codes-original", "codes_prev2", "codes-copy", "codes_copy2", "codes-kopie", "codes副本",
		"codes_LOCAL", "codes.BASE", "codes.r123", "codes-JOHN-PC", "codes-Johns-MacBook-Pro", "codes-ADAS-MBP-2",
	} {
		expectPacks(t, "a copy", "codes", "codes.lua", stem+".lua")
		expectPacks(t, "a copy", "codes", "codes/r.lua", stem+"/r.lua")
		expectPacks(t, "a copy", "codes", "codes/r.lua", stem+".lua")
		expectPacks(t, "no copy", stem, stem+".lua")
		expectPacks(t, "no copy", "other|"+stem, "other.lua", stem+".lua")
	}
}

// Honest names are packs, whatever is beside them.
func TestOrdinaryNamesAreLoaded(t *testing.T) {
	t.Parallel()
	for _, stem := range []string{
		"10-hold", "codes2", "v2", "rules2", "codes-2", "codes_3", "codes-2fa", "2026-launch", "2026-01-launch", "24-7", "area-51", "codes.v2",
		"copy", "photocopy-orders", "carbon-copy", "kopie", "conflict", "conflict-of-interest", "merge", "base", "local", "remote", "backup-alerts", "old-customers", "gold", "tmp-hold",
		"codes.local", "codes.fr", "VIP", "codes-VIP", "codes-US", "pc", "line-4155550100", "line-14155550100", "order-20269999", "codes (strict)", "codes [vip]", "codes_spec_helper", "temporary", "original", "draft", "orig_numbers",
		"backup of", "codes-DESKTOP-ABC", "codes-desktop-support", "codes.old-customers", "line-05-01-2026", "holiday-2026-12-25", "night-22-06", "tmp-codes",
		"復活", "副業", "копейка", "копии-чеков",
	} {
		expectPacks(t, "honest", stem, stem+".lua")
		expectPacks(t, "honest", "codes|"+stem, "codes.lua", stem+".lua")
		expectPacks(t, "honest", "codes|"+stem, "codes/r.lua", stem+"/r.lua")
	}
}

// expectPacks compares which packs are found in a folder with files; all that is
// not is listed with what to do.
func expectPacks(t *testing.T, what, want string, files ...string) {
	t.Helper()
	all := map[string]string{}
	for _, f := range files {
		all[f] = "-- one"
	}
	dir := tree(t, all)
	r := readFolder(dir)
	var got []string
	for _, s := range r.sources {
		got = append(got, s.name)
	}
	wanted := strings.FieldsFunc(want, func(r rune) bool { return r == '|' })
	slices.Sort(wanted)
	slices.Sort(got)
	if !slices.Equal(got, wanted) || len(r.ignored) != len(files)-len(got) || len(r.diags) > 0 {
		t.Errorf("%s: %q are the packs %q, want %q; ignored are %v; %v", what, files, got, wanted, r.ignored, r.diags)
	}
	for _, i := range r.ignored {
		if !strings.HasPrefix(i.Why, "it looks like a ") || !strings.Contains(i.Hint, "rename it") {
			t.Errorf("%s: %+v", what, i)
		}
	}
}

// The same names are a copy's within a pack, in each of its folders.
func TestCopiesInPacksAreNotLoaded(t *testing.T) {
	t.Parallel()
	r := readFolder(tree(t, map[string]string{
		"vip/10-hold.lua": "", "vip/10-hold.sync-conflict-20260105-101500-ABCDEFG.lua": "", "vip/10-hold_REMOTE_12.lua": "", "vip/10-hold 2.lua": "", "vip/20-a.bak.lua": "",
		"vip/pack.yaml": "", "vip/pack (1).yaml": "", "vip/pack.yaml.orig": "",
		"vip/lib/phones.lua": "", "vip/lib/phones copy.lua": "", "vip/lib/old/x.lua": "", "vip/lib/deep/x.lua": "", "vip/lib/deep/x (1).lua": "",
		"vip/data/vips.csv": "", "vip/data/vips (conflicted copy 2026-01-05).csv": "", "vip/data/vips-2026-01-05.csv": "", "vip/data/notes - Copy.md": "",
		"vip/spec/a_spec.lua": "", "vip/spec/a_spec.orig.lua": "", "vip/spec/a_spec copy.lua": "", "vip/old/x.lua": "",
	}))
	var loaded, ignored []string
	for _, f := range r.sources[0].files {
		loaded = append(loaded, f.Name)
	}
	for _, i := range r.ignored {
		_, name, _ := strings.Cut(i.Path, "/rules/vip/")
		ignored = append(ignored, name)
	}
	slices.Sort(loaded)
	slices.Sort(ignored)
	if got, want := strings.Join(loaded, "|"), "10-hold.lua|data/vips.csv|lib/deep/x.lua|lib/phones.lua|pack.yaml|spec/a_spec.lua"; got != want {
		t.Errorf("loaded are %s, want %s", got, want)
	}
	want := "10-hold 2.lua|10-hold.sync-conflict-20260105-101500-ABCDEFG.lua|10-hold_REMOTE_12.lua|20-a.bak.lua|data/vips (conflicted copy 2026-01-05).csv|data/vips-2026-01-05.csv|" +
		"lib/deep/x (1).lua|lib/old|lib/phones copy.lua|spec/a_spec copy.lua|spec/a_spec.orig.lua"
	if got := strings.Join(ignored, "|"); got != want {
		t.Errorf("ignored are %s, want %s", got, want)
	}
}

func TestChertignore(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"codes.lua": "", "codes copy.lua": "", "wip-a.lua": "", "wip-b.lua": "", "vip/pack.yaml": "", "vip/r.lua": "", "vip/draft.lua": "", "drafts/r.lua": "", ".hidden.lua": "", "docs/x.md": "",
	}
	for _, tt := range []struct{ name, patterns, packs, ignored, diags string }{
		{"none", "", "codes vip drafts wip-a wip-b", "codes copy.lua", ""},
		{"more", "# comment\n\nwip-*\r\ndrafts/\n", "codes vip", "codes copy.lua drafts wip-a.lua wip-b.lua", ""},
		{"taken back", "!codes copy.lua\n!.hidden.lua\nwip-*\n!wip-b.lua", "codes|codes copy|.hidden|vip|drafts|wip-b", "wip-a.lua", ""},
		{"in a pack", "draft.lua\n", "codes vip drafts wip-a wip-b", "codes copy.lua vip/draft.lua", ""},
		{"at the top alone", "/draft.lua\n/drafts\n", "codes vip wip-a wip-b", "codes copy.lua drafts", ""},
		{"all", "*\n!codes.lua", "codes", "codes copy.lua drafts vip wip-a.lua wip-b.lua", ""},
		{"malformed", "[x\n", "codes vip drafts wip-a wip-b", "codes copy.lua", `DIR/.chertignore:1:1: warning: the pattern "[x" matches nothing: it is malformed`},
	} {
		files[".chertignore"] = tt.patterns + `\`
		dir := tree(t, files)
		r := readFolder(dir)
		var packs, ignored []string
		for _, s := range r.sources {
			packs = append(packs, s.name)
		}
		for _, i := range r.ignored {
			ignored = append(ignored, strings.TrimPrefix(i.Path, dir+"/"))
		}
		sep := " "
		if strings.Contains(tt.packs, "|") {
			sep = "|"
		}
		want := strings.Split(tt.packs, sep)
		slices.Sort(want)
		slices.Sort(packs)
		slices.Sort(ignored)
		if !slices.Equal(packs, want) {
			t.Errorf("%s: packs are %q, want %q", tt.name, packs, want)
		}
		if got := strings.Join(ignored, " "); got != tt.ignored {
			t.Errorf("%s: ignored are %s, want %s", tt.name, got, tt.ignored)
		}
		if got := strings.ReplaceAll(r.diags.Error(), dir, "DIR"); (got != "") != (tt.diags != "") || !strings.HasPrefix(got, tt.diags) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.diags)
		}
		// A pack that is checked alone is the same.
		alone := readPath(dir+"/vip", "")
		if n := len(alone.sources[0].files); tt.name == "in a pack" && n != 2 || tt.name == "none" && n != 3 {
			t.Errorf("%s: vip alone has %d files", tt.name, n)
		}
	}
}

// What is listed as ignored says how to take it back, and that works.
func TestHintOfIgnoredFileLoadsIt(t *testing.T) {
	t.Parallel()
	files := map[string]string{"codes.lua": "", "vip/x[1].lua": "", "codes copy 2.lua": "", "vip/r.lua": "", "vip/lib/a copy.lua": "", "old/r.lua": "", "Копия codes.lua": ""}
	r := readFolder(tree(t, files))
	if len(r.ignored) != 5 {
		t.Fatalf("ignored are %v", r.ignored)
	}
	var patterns []string
	for _, i := range r.ignored {
		_, pattern, _ := strings.Cut(i.Hint, "or add ")
		patterns = append(patterns, strings.TrimSuffix(pattern, " to .chertignore"))
	}
	files[".chertignore"] = strings.Join(patterns, "\n")
	if r := readFolder(tree(t, files)); len(r.ignored) > 0 || len(r.sources) != 5 {
		t.Errorf("with %q ignored are still %v", patterns, r.ignored)
	}
}

// No hint leads into another error: a name that no pack can have is not taken back.
func TestInvalidNamesAreNotTakenBack(t *testing.T) {
	t.Parallel()
	r := readFolder(tree(t, map[string]string{"codes.lua": "", "codes (2).lua": "", "vip (2)/r.lua": ""}))
	for i, want := range []string{"rename it: this is not a valid pack name", "add !/vip (2) to .chertignore"} {
		if len(r.ignored) != 2 || !strings.Contains(r.ignored[i].Hint, want) {
			t.Errorf("ignored are %v, want %q", r.ignored, want)
		}
	}
}
