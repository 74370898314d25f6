//! The two machines that QEMU emulates here, and in what they differ.

use std::path::Path;

/// A machine. Both boot the same kernel, the same systems and the same cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Board {
    /// A Raspberry Pi 3B. A USB card that is plugged into it has a mixer, but cannot play: QEMU's
    /// emulation of its USB host moves three packets where it should move one.
    #[default]
    RaspberryPi3,
    /// QEMU's own machine: no pins and no I2C, but PCI, and on it sound cards that play.
    Virt,
}

impl Board {
    /// Returns QEMU's options for the machine, with this image as its card.
    pub(super) fn options(self, card: &Path) -> Vec<String> {
        let mut options = match self {
            // Several processors would have to take turns, and the box's time would not be exact.
            Self::RaspberryPi3 => {
                words("-M raspi3b -global bcm2837.enabled-cpus=1 -device ds1338,bus=i2c-bus.1,address=0x68")
            }
            Self::Virt => {
                words("-M virt -cpu cortex-a72 -m 1G -nic none -device qemu-xhci -device virtio-blk-pci,drive=card")
            }
        };
        // Data that the box syncs need not reach this machine's disk: a power cut is QEMU's end,
        // not this machine's.
        let image = format!("format=raw,cache=unsafe,file={}", card.display());
        let interface = match self {
            Self::RaspberryPi3 => "if=sd",
            Self::Virt => "if=none,id=card",
        };
        options.extend(["-drive".to_owned(), format!("{interface},{image}")]);
        options
    }

    /// Returns the kernel's options. Those that the kernel does not know are variables of `init`
    /// and everything below it: the line to the agent, and the card.
    ///
    /// QEMU has no DS3231. Its DS1338 stands in for one, which the service must be told, unless
    /// it is to find out.
    pub(super) fn kernel_options(self, judges_rtc: bool) -> String {
        self.options_for(judges_rtc, "")
    }

    /// Returns the same for a whole system, whose units do not have the variables of `init`.
    pub(super) fn system_options(self, judges_rtc: bool) -> String {
        self.options_for(judges_rtc, "systemd.setenv=")
    }

    /// Returns the options, with this before each of the variables that programs have.
    fn options_for(self, judges_rtc: bool, set: &str) -> String {
        let line = match self {
            Self::RaspberryPi3 => "/dev/ttyS1",
            Self::Virt => "/dev/ttyAMA1",
        };
        let stand_in = if judges_rtc { String::new() } else { format!(" {set}JAUDIOSYNC_ACCEPT_RTC=ds1338") };
        format!("{set}AGENT_LINE={line} CARD={}{stand_in}", self.card_device())
    }

    /// Returns the card's exchange partition, as the box sees it.
    pub(super) fn exchange_device(self) -> String {
        format!("{}2", self.card_device())
    }

    /// Returns the card's partitions, as the box sees them, without their numbers.
    fn card_device(self) -> &'static str {
        match self {
            Self::RaspberryPi3 => "/dev/mmcblk0p",
            Self::Virt => "/dev/vda",
        }
    }
}

/// Returns the words of a text.
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
