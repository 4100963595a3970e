package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// draw makes a value with every field drawn, those of what it points to
// included. Empty lists and maps are nil, times are of whole microseconds,
// strings and JSON are of any valid form.
func draw[T any](t *rapid.T, label string) T {
	var v T
	fill(t, label, reflect.ValueOf(&v).Elem())
	return v
}

func same(t interface{ Fatalf(string, ...any) }, what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

var documents = []string{`null`, `0`, `""`, `{"a": 1,  "b": [true, null]}`, `"<&>\u2028"`, `[1, 2.50, 1e3]`, "{\n\t\"x\": \"é\\u0000\"\n}"}

func fill(t *rapid.T, label string, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Duration]():
		v.SetInt(rapid.Int64Range(0, 1<<40).Draw(t, label) * int64(time.Microsecond))
		return
	case reflect.TypeFor[time.Time]():
		if rapid.IntRange(0, 3).Draw(t, label+" is set") > 0 {
			at := noon.Add(time.Duration(rapid.Int64Range(-1<<50, 1<<50).Draw(t, label)) * time.Microsecond)
			v.Set(reflect.ValueOf(at))
		}
		return
	case reflect.TypeFor[json.RawMessage]():
		if rapid.IntRange(0, 3).Draw(t, label+" is set") > 0 {
			v.SetBytes([]byte(rapid.SampledFrom(documents).Draw(t, label)))
		}
		return
	case reflect.TypeFor[event.Truth]():
		v.SetUint(uint64(rapid.SampledFrom([]event.Truth{event.Unknown, event.False, event.True}).Draw(t, label)))
		return
	case reflect.TypeFor[chat.Seen]():
		seen := map[string]int64{}
		fill(t, label, reflect.ValueOf(&seen).Elem())
		v.Set(reflect.ValueOf(chat.SeenOf(seen)))
		return
	case reflect.TypeFor[rules.Mode]():
		v.SetString(string(rapid.SampledFrom([]rules.Mode{"", rules.Live, rules.Shadow, rules.Off}).Draw(t, label)))
		return
	case reflect.TypeFor[any]():
		var out any
		json.Unmarshal([]byte(rapid.SampledFrom(documents).Draw(t, label)), &out)
		if out != nil {
			v.Set(reflect.ValueOf(out))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.OneOf(rapid.SampledFrom([]string{"", "a", "'; --", "\x00", "nul\x00inside", "ü€😀", "100%"}), rapid.String()).Draw(t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, label))
	case reflect.Pointer:
		if rapid.IntRange(0, 3).Draw(t, label+" is set") > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, label, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, label+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 3).Draw(t, label+" length"); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, fmt.Sprint(label, i), v.Index(i))
			}
		}
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, label)))
	case reflect.Map:
		if n := rapid.IntRange(0, 3).Draw(t, label+" length"); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for i := range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				fill(t, fmt.Sprint(label, " key ", i), key)
				fill(t, fmt.Sprint(label, " value ", i), value)
				v.SetMapIndex(key, value)
			}
		}
	default:
		panic(fmt.Sprintf("storetest can't draw %s, a %s", label, v.Type()))
	}
}
