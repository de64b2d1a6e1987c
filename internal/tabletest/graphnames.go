package tabletest

import "strings"

// perFamily is how many scopes each family has.
const perFamily = 4

// family is a kind of data: where its collections are, and the name that its
// scopes begin with.
type family struct {
	name       string
	collection string
	owners     []string
	below      []string // collections in its items; drawn if there are none
	personal   bool     // /me has it, too
}

// scopes lists the four scopes of a family, as Microsoft names them.
func (f family) scopes() []string {
	suffixes := []string{".Read.All", ".ReadWrite.All", ".ReadBasic.All", ".PrivilegedOperations.All"}
	if f.personal {
		suffixes = []string{".Read", ".ReadWrite", ".Read.All", ".ReadWrite.All"}
	}
	for i, s := range suffixes {
		suffixes[i] = f.name + s
	}
	return suffixes
}

// opens lists the scopes of the family that open a call in a place, each of
// them alone.
func (f family) opens(c call, p place) []string {
	s := f.scopes()
	reads := c == list || c == read
	if f.personal {
		all := s[3:]
		if reads {
			all = s[2:]
		}
		if !strings.HasPrefix(p.path, "me/") {
			return all
		}
		if reads {
			return s
		}
		return append(all, s[1])
	}
	switch {
	case c == list && p.depth == 0:
		return s[:3]
	case reads:
		return s[:2]
	case c == action:
		return []string{s[1], s[3]}
	}
	return s[1:2]
}

// graphFamilies lists what there is, the best known first.
func graphFamilies() []family {
	people := []string{"me", "users/{id}"}
	members := append(people, "groups/{id}")
	drives := []string{"drives/{id}", "me/drive", "users/{id}/drive", "groups/{id}/drive", "sites/{id}/drive"}
	families := []family{
		{name: "User", collection: "users", owners: []string{""}, below: []string{"extensions", "licenseDetails", "registeredDevices"}},
		{name: "Mail", collection: "messages", owners: people, below: []string{"attachments", "extensions"}, personal: true},
		{name: "MailFolder", collection: "mailFolders", owners: people, below: []string{"messages", "childFolders", "messageRules"}, personal: true},
		{name: "Calendars", collection: "events", owners: members, below: []string{"instances", "attachments"}, personal: true},
		{name: "CalendarGroups", collection: "calendars", owners: people, below: []string{"events", "calendarPermissions"}, personal: true},
		{name: "Files", collection: "items", owners: drives, below: []string{"children", "versions", "permissions", "thumbnails"}, personal: true},
		{name: "Sites", collection: "lists", owners: []string{"sites/{id}"}, below: []string{"items", "columns", "contentTypes"}},
		{name: "SitePages", collection: "pages", owners: []string{"sites/{id}"}, below: []string{"webParts", "sections"}},
		{name: "Group", collection: "groups", owners: []string{""}, below: []string{"members", "owners", "conversations"}},
		{name: "Team", collection: "teams", owners: []string{""}, below: []string{"channels", "tags", "installedApps"}},
	}
	for _, c := range []string{
		"contacts", "contactFolders", "notebooks", "onenotePages", "todoLists", "chats", "onlineMeetings", "activities", "people",
		"insights", "photos", "agreements", "appRoleAssignments", "authenticationMethods", "devices", "joinedTeams", "transitiveMembers",
		"outlookCategories", "inferenceRules", "employeeNotes", "bookings", "virtualEvents", "shifts", "approvals", "learningCourses",
	} {
		families = append(families, family{name: title(c), collection: c, owners: people, personal: true})
	}
	for _, domain := range []string{
		"deviceManagement", "deviceAppManagement", "identityGovernance", "identity", "security", "education", "policies", "reports",
		"roleManagement", "print", "planner", "communications", "compliance", "storage", "tenantRelationships", "admin",
		"informationProtection", "external", "employeeExperience", "backupRestore",
	} {
		for _, c := range []string{
			"policies", "assignments", "definitions", "requests", "reviews", "templates", "connectors", "profiles", "alerts", "cases",
		} {
			families = append(families, family{name: title(domain) + title(c), collection: c, owners: []string{domain}})
		}
	}
	return families
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

var (
	graphParts = []string{
		"attachments", "extensions", "permissions", "versions", "members", "owners", "settings", "assignments", "comments", "tasks",
		"buckets", "operations", "subscriptions", "columns", "replies", "reactions", "tabs", "stages", "decisions", "instances",
	}
	graphFunctions = []string{"recent", "count", "summary", "search", "byPriority", "current", "overview"}
	graphActions   = []string{
		"copy", "move", "send", "forward", "reply", "accept", "decline", "cancel", "archive", "restore", "assign", "publish",
		"checkIn", "checkOut", "validate", "follow", "invite", "snooze",
	}
)
