//! Cards for tests, as `/proc/asound/cards` of real machines lists them: number, id, driver, name
//! and long name.
//!
//! Sources, besides those at each line: raspberrypi/linux, `sound/soc/bcm` and
//! `drivers/gpu/drm/vc4/vc4_hdmi.c`.

use super::{CardInfo, Listing, Output};

/// A Pi 4 without a HAT (RPi-Distro/raspi-config#197).
pub(in super::super) const HEADPHONES: &str =
    "0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones\n                      bcm2835 Headphones";
pub(in super::super) const VC4_HDMI_0: &str =
    "1 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0\n                      vc4-hdmi-0";
pub(in super::super) const VC4_HDMI_1: &str =
    "2 [vc4hdmi1       ]: vc4-hdmi - vc4-hdmi-1\n                      vc4-hdmi-1";
/// A Pi 3 with an IQaudIO DAC (GioF71/tidal-connect#237).
pub(in super::super) const VC4_HDMI_PI_3: &str =
    "1 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi\n                      vc4-hdmi";
pub(in super::super) const IQAUDIO: &str =
    "2 [IQaudIODAC     ]: IQaudIODAC - IQaudIODAC\n                      IQaudIODAC";
/// A Pi 5 with a HiFiBerry DAC+ (the commit "audio" of android_device_brcm_rpi5), and a Pi with a
/// DAC (`snd_rpi_simple` in `rpi-simple-soundcard.c`).
pub(in super::super) const DACPLUS: &str =
    "2 [sndrpihifiberry]: HifiberryDacp - snd_rpi_hifiberry_dacplus\n                      snd_rpi_hifiberry_dacplus";
pub(in super::super) const HIFIBERRY_DAC: &str =
    "1 [sndrpihifiberry]: RPi-simple - snd_rpi_hifiberry_dac\n                      snd_rpi_hifiberry_dac";
pub(in super::super) const GOOGLE_VOICE_HAT: &str = "0 [sndrpigooglevoi]: RPi-simple - snd_rpi_googlevoicehat_soundcard\n                      \
     snd_rpi_googlevoicehat_soundcard";
/// An Allo Boss (iotsound/iotsound#312: its name, and `snd_soc_allo_boss_dac`).
pub(in super::super) const BOSS: &str = "1 [BossDAC        ]: BossDAC - BossDAC\n                      BossDAC";
/// A card by the kernel's `simple-card` (the WM8960 HAT's overlay).
pub(in super::super) const WM8960: &str =
    "3 [wm8960soundcard]: simple-card - wm8960-soundcard\n                      wm8960-soundcard";
/// An Audio Injector (`audioinjector-pi-soundcard.c`; the driver's name is
/// cut) and a pisound (`pisound.c`).
pub(in super::super) const AUDIOINJECTOR: &str = "0 [audioinjectorpi]: audioinjector-p - audioinjector-pi-soundcard\n                      \
     audioinjector-pi-soundcard";
pub(in super::super) const PISOUND: &str = "3 [pisound        ]: pisound - pisound\n                      pisound";
/// The jack before Linux 5.4, when it was one card with HDMI, under two of its drivers' names.
pub(in super::super) const HEADPHONES_2019: &str =
    "0 [ALSA           ]: bcm2835_alsa - bcm2835 ALSA\n                      bcm2835 ALSA";
pub(in super::super) const HEADPHONES_2016: &str =
    "0 [ALSA           ]: BRCM bcm2835 ALSbcm2835 ALSA - bcm2835 ALSA\n                      bcm2835 ALSA";
/// Firmware KMS: `drivers/staging/vc04_services/bcm2835-audio/bcm2835.c`.
pub(in super::super) const HDMI_BEFORE_KMS: &str =
    "0 [b1             ]: bcm2835_hdmi - bcm2835 HDMI 1\n                      bcm2835 HDMI 1";
/// `sound/usb/card.c`: the long name has the port.
pub(in super::super) const PNP_SOUND_DEVICE: &str = "1 [Device         ]: USB-Audio - USB PnP Sound Device\n                      \
     USB PnP Sound Device at usb-0000:01:00.0-1.3, full speed";
/// A second one of the same model: `snd_card_set_id_no_lock` in `sound/core/init.c` adds `_1`.
pub(in super::super) const PNP_SOUND_DEVICE_1: &str = "2 [Device_1       ]: USB-Audio - USB PnP Sound Device\n                      \
     USB PnP Sound Device at usb-0000:01:00.0-1.4, full speed";
pub(in super::super) const DONGLE: &str = "1 [Dongle         ]: USB-Audio - VIA USB Dongle\n                      \
     VIA Technologies Inc. VIA USB Dongle at usb-3f980000.usb-1.4, full speed";
/// `sound/drivers/aloop.c`, `drivers/usb/gadget/function/f_uac2.c`.
pub(in super::super) const LOOPBACK: &str =
    "3 [Loopback       ]: Loopback - Loopback\n                      Loopback 1";
pub(in super::super) const GADGET: &str =
    "1 [UAC2Gadget     ]: UAC2_Gadget - UAC2_Gadget\n                      UAC2_Gadget 0";
/// `sound/pci/hda/hda_intel.c`.
pub(in super::super) const HDA: &str = "0 [PCH            ]: HDA-Intel - HDA Intel PCH\n                      \
     HDA Intel PCH at 0xb1338000 irq 145";
pub(in super::super) const NVIDIA: &str =
    "1 [NVidia         ]: HDA-Intel - HDA NVidia\n                      HDA NVidia at 0xa3080000 irq 17";

/// Makes a card with one output, which is free.
pub(in super::super) fn card(listed: &str) -> CardInfo {
    let (first, long_name) = listed.split_once('\n').unwrap();
    let (number, rest) = first.split_once(" [").unwrap();
    let (id, rest) = rest.split_once("]: ").unwrap();
    let (driver, name) = rest.split_once(" - ").unwrap();
    let output = Output { id: name.to_owned(), name: name.to_owned(), ..Output::default() };
    CardInfo {
        index: number.trim().parse().unwrap(),
        id: id.trim().to_owned(),
        driver: driver.to_owned(),
        name: name.to_owned(),
        long_name: long_name.trim().to_owned(),
        outputs: vec![output],
        ..CardInfo::default()
    }
}

/// Makes a machine with these cards, which were found in this order.
pub(in super::super) fn machine(model: Option<&str>, listed: &[&str]) -> Listing {
    let numbered = |(index, listed): (usize, &&str)| CardInfo { index: index as i32, ..card(listed) };
    Listing::new(listed.iter().enumerate().map(numbered).collect(), model)
}
