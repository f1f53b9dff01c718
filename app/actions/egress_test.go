package actions

import (
	"testing"

	"fairlead/app/menu"
	"fairlead/app/settings"
)

func TestADeploymentIsConfirmedOnceAndInProductionTwice(t *testing.T) {
	var d deployments
	if err := d.begin("dev", false); err != nil {
		t.Errorf("dev: %v", err)
	}
	if err := d.begin("dev", false); err == nil {
		t.Error("it is deployed twice at a time")
	}
	var extra menu.Extra
	if d.addTo("dev", &extra); extra.EgressProgress == "" || extra.EgressConfirmed {
		t.Errorf("the menu shows %+v", extra)
	}
	d.end("dev")
	if err := d.begin("dev", false); err != nil {
		t.Errorf("dev, again: %v", err)
	}
	if err := d.begin("prod", true); err == nil {
		t.Error("it is deployed in production after one question")
	}
	d.confirm("prod")
	if d.addTo("prod", &extra); extra.EgressProgress != "" || !extra.EgressConfirmed {
		t.Errorf("the menu shows %+v", extra)
	}
	if err := d.begin("prod", true); err != nil {
		t.Errorf("prod: %v", err)
	}
	d.end("prod")
	if err := d.begin("prod", true); err == nil {
		t.Error("one confirmation is for two deployments")
	}
}

func TestTheMenuNamesTheEgressAsTheSettingsDo(t *testing.T) {
	if menu.Egress != settings.EgressName {
		t.Errorf("%s and %s", menu.Egress, settings.EgressName)
	}
}
