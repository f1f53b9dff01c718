package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"os"
	"runtime/debug"
)

// A bom is a CycloneDX bill of materials, version 1.6, as far as it is used here.
type bom struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

// writeModules writes which modules are in a program, as the program itself says.
func writeModules(to, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	b := bom{Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	b.Metadata.Component = component{Type: "application", Ref: "fairlead", Name: "fairlead", Version: info.Main.Version}
	b.Components = []component{{Type: "library", Ref: "std", Name: "std", Version: info.GoVersion, PURL: "pkg:golang/std@" + info.GoVersion[len("go"):]}}
	for _, m := range info.Deps {
		b.Components = append(b.Components, moduleOf(m))
	}
	content, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if len(info.Deps) == 0 {
		return errors.New("the program names no modules")
	}
	return os.WriteFile(to, append(content, '\n'), 0o644)
}

func moduleOf(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	return component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
}
