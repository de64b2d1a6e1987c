package mapping

// Fields are a permission's wire format taken apart: a text that is not given is "",
// a flag false. They are for those who keep permissions in another form than JSON.
type Fields wire

// Fields takes the permission apart. NewPermission puts it together again, and then
// it is the same.
func (p Permission) Fields() Fields { return Fields(p.wire()) }

// NewPermission makes a permission by the rules of [ParsePermission], without its
// JSON; so are its errors.
func NewPermission(f Fields) (Permission, error) {
	var faults faults
	p := parseWire(wire(f), &faults)
	p.checkWhole(wire(f), &faults)
	if err := faults.join(); err != nil {
		return Permission{}, err
	}
	return p, nil
}
