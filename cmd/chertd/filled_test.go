package main

import (
	"reflect"
	"time"
)

// filling is what filled puts into a value.
type filling struct {
	text  string            // in each string
	bools bool              // in each flag
	keys  map[string]string // keys of maps, by the field; "": text
}

// filled returns a value in which everything is set: one item of each list and map,
// fields that are added later included.
func filled[T any](f filling) (v T) {
	f.fill(reflect.ValueOf(&v).Elem(), "")
	return v
}

func (f filling) fill(v reflect.Value, field string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text)
	case reflect.Bool:
		v.SetBool(f.bools)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				f.fill(v.Field(i), v.Type().Field(i).Name)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), field)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(value, field)
		if name := f.keys[field]; name != "" {
			key.SetString(name)
		} else {
			f.fill(key, "")
		}
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), field)
	}
}
