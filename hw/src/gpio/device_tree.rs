//! Which pins the drivers of this machine will ask for, as its device tree says.
//!
//! A sound card's driver may come some seconds after this program. A pin that the kernel gave to
//! this program meanwhile would be refused to the driver, and the box would have no sound.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Where the kernel shows its device tree. `/proc/device-tree` is the same, but hidden from a
/// service that sees only processes there.
const ROOT: &str = "/sys/firmware/devicetree/base";

/// How the chips of the header are called, on a Raspberry Pi 0 to 3, 4 and 5.
const CONTROLLERS: [&str; 4] = ["brcm,bcm2835-gpio", "brcm,bcm2711-gpio", "brcm,bcm7211-gpio", "raspberrypi,rp1-gpio"];

/// Device trees are less deep; this only ends a malformed one.
const DEPTH: u32 = 16;

/// Returns who will ask for a pin, such as `sound, mute-gpios`; `None` if nobody does.
pub(super) fn future_user(gpio: u8) -> Option<String> {
    static USERS: OnceLock<BTreeMap<u8, String>> = OnceLock::new();
    USERS.get_or_init(|| users(Path::new(ROOT))).get(&gpio).cloned()
}

/// What a walk over the tree finds.
#[derive(Default)]
struct Found {
    /// The number by which properties refer to the header's chip.
    controller: Option<u32>,
    /// Properties that list pins, with the words of their values.
    properties: Vec<(String, Vec<u32>)>,
}

fn users(root: &Path) -> BTreeMap<u8, String> {
    let mut found = Found::default();
    walk(root, &mut found, DEPTH);
    let mut users = BTreeMap::new();
    let Some(controller) = found.controller else { return users };
    for (name, words) in found.properties {
        // Each pin is the chip, the number and flags (`#gpio-cells = <2>` on all of these chips).
        // Pins of other chips between them may have more or fewer words.
        let mut rest = words.as_slice();
        while let [first, tail @ ..] = rest {
            match (*first == controller, tail) {
                (true, [gpio, _flags, after @ ..]) => {
                    if let Ok(gpio) = u8::try_from(*gpio) {
                        users.entry(gpio).or_insert_with(|| name.clone());
                    }
                    rest = after;
                }
                _ => rest = tail,
            }
        }
    }
    users
}

fn walk(node: &Path, found: &mut Found, depth: u32) {
    // A device that is switched off has no driver. A hog's pins are the kernel's own from the
    // start, and are listed without their chip.
    let is_off = fs::read(node.join("status")).is_ok_and(|status| !status.starts_with(b"ok"));
    if depth == 0 || is_off || node.join("gpio-hog").exists() {
        return;
    }
    let compatible = fs::read(node.join("compatible")).unwrap_or_default();
    let is_controller =
        compatible.split(|byte| *byte == 0).any(|name| CONTROLLERS.iter().any(|one| one.as_bytes() == name));
    if is_controller {
        found.controller = found.controller.or_else(|| words(&node.join("phandle")).first().copied());
    }
    for entry in fs::read_dir(node).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !name.starts_with("__") {
            walk(&entry.path(), found, depth - 1);
        } else if kind.is_file() && lists_pins(&name) {
            let device = node.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            found.properties.push((format!("{device}, {name}"), words(&entry.path())));
        }
    }
}

/// Returns whether a property lists pins that its device uses (the binding `gpio.txt`; the kernel
/// accepts both endings).
fn lists_pins(property: &str) -> bool {
    ["gpios", "gpio"].iter().any(|ending| property == *ending || property.ends_with(&format!("-{ending}")))
}

fn words(file: &Path) -> Vec<u32> {
    let bytes = fs::read(file).unwrap_or_default();
    bytes.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(properties: &[(&str, &[u32])], texts: &[(&str, &str)]) -> BTreeMap<u8, String> {
        let root = std::env::temp_dir().join(format!("jaudiosync-tree-{}-{}", std::process::id(), fastrand::u64(..)));
        let write = |path: &str, bytes: &[u8]| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for (path, words) in properties {
            write(path, &words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>());
        }
        texts.iter().for_each(|(path, text)| write(path, text.as_bytes()));
        let found = users(&root);
        fs::remove_dir_all(&root).unwrap();
        found
    }

    const CHIP: (&str, &str) = ("soc/gpio@7e200000/compatible", "brcm,bcm2711-gpio\0brcm,bcm2835-gpio\0");
    const PHANDLE: (&str, &[u32]) = ("soc/gpio@7e200000/phandle", &[7]);

    #[test]
    fn the_pins_of_an_overlay_are_found_and_those_of_other_chips_are_not() {
        let found = tree(
            &[
                PHANDLE,
                ("soc/sound/mute-gpios", &[7, 6, 1]),
                ("soc/sound/clock44-gpio", &[7, 5, 0]),
                ("soc/other/reset-gpios", &[9, 16, 0, 7, 24, 1]),
                ("soc/gpio@7e200000/pins/brcm,pins", &[26]),
                ("soc/i2c/gpio-ranges", &[7, 13, 0]),
            ],
            &[CHIP, ("soc/sound/status", "okay\0")],
        );
        let expected = [(5, "sound, clock44-gpio"), (6, "sound, mute-gpios"), (24, "other, reset-gpios")];
        assert_eq!(found, expected.into_iter().map(|(gpio, name)| (gpio, name.to_owned())).collect());
    }

    #[test]
    fn what_is_switched_off_asks_for_nothing() {
        let chip_selects: (&str, &[u32]) = ("soc/spi@0/cs-gpios", &[7, 8, 1, 7, 7, 1]);
        let off = tree(
            &[PHANDLE, chip_selects, ("soc/spi@0/dev/reset-gpios", &[7, 5, 0])],
            &[CHIP, ("soc/spi@0/status", "disabled\0")],
        );
        assert!(off.is_empty(), "{off:?}");
        let on = tree(&[PHANDLE, chip_selects], &[CHIP, ("soc/spi@0/status", "okay\0")]);
        assert_eq!(on.into_keys().collect::<Vec<_>>(), [7, 8]);
        assert!(tree(&[("sound/mute-gpios", &[7, 6, 1])], &[]).is_empty(), "no chip of the header");
        // Cut off in the middle.
        assert!(tree(&[PHANDLE, ("a/x-gpios", &[7]), ("b/x-gpios", &[7, 5])], &[CHIP]).is_empty());
    }
}
