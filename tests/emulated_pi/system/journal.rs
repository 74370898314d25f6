//! What the journal of a box says.

use crate::machine::Machine;

/// Returns what JAudioSync and systemd, of its units, have said that is a warning or worse, since the
/// system was started.
pub fn warnings(machine: &mut Machine) -> Vec<String> {
    let ours = machine.run("journalctl --boot --quiet --output cat --priority warning --unit 'jaudiosync*'").stdout;
    ours.lines().map(str::to_owned).collect()
}
