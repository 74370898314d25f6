//! A whole system: a stand-in for the image of Raspberry Pi OS Lite, which `scripts/pi-system` makes of
//! Debian's packages, made a box by `scripts/image`, flashed, and started with systemd. The unit runs
//! unchanged in its sandbox, on the real drivers. Beside the tests lie the parts of that image.

mod boxes;
mod broken_cards;
mod cards;
mod deployed;
mod flashed;
mod journal;
mod laptop;
mod network;
mod page;
mod partitions;
mod power_cuts;
