package kube

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"fairlead/kube/api"
)

// A cache that is not stopped keeps asking after its cluster was closed, and nothing waits for its goroutines.
func TestStoppingAResolverStopsEachOfItsCaches(t *testing.T) {
	r := newResolver(&api.Client{}, "default", func() *Policy { return &Policy{} })
	r.stop()
	checked := 0
	visited := map[uintptr]bool{}
	var visit func(path string, v reflect.Value)
	visit = func(path string, v reflect.Value) {
		if v.Kind() != reflect.Pointer || v.IsNil() || visited[v.Pointer()] || v.Elem().Kind() != reflect.Struct {
			return
		}
		visited[v.Pointer()] = true
		v = v.Elem()
		if !strings.HasPrefix(v.Type().PkgPath(), "fairlead/kube") {
			return
		}
		if strings.HasPrefix(v.Type().Name(), "cache[") {
			checked++
			life := v.FieldByName("life")
			ctx := reflect.NewAt(life.Type(), life.Addr().UnsafePointer()).Elem().Interface().(context.Context)
			if ctx.Err() == nil {
				t.Errorf("%s was not stopped", path)
			}
			return
		}
		for i := range v.NumField() {
			visit(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
	visit("resolver", reflect.ValueOf(r))
	if checked < 12 {
		t.Errorf("%d caches were found", checked)
	}
}
